package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/needs"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

// TestARealBuild builds a Maven project with its unit tests on a pull request:
// once good, once with a failing test, whose output /logs shows.
func TestARealBuild(t *testing.T) {
	repo := mavenRepository(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	w := start(ctx, t, world.Config{})
	name, err := w.AddRepo("prices", mavenProject(repo))
	if err != nil {
		t.Fatal(err)
	}
	mona := w.GitHub.As("mona")
	for _, story := range []struct{ branch, discount, want string }{{"good", "9 / 10", "success"}, {"bad", "8 / 10", "failure"}} {
		sha, err := mona.Push(github.Push{Repo: name, Branch: story.branch, Message: "Change the sale", Files: map[string]string{
			"src/main/java/shop/Price.java": "package shop;\npublic class Price { public static int withSale(int cents) { return cents * " + story.discount + "; } }\n"}})
		if err != nil {
			t.Fatal(err)
		}
		pr, err := mona.OpenPR(github.NewPR{Repo: name, Head: story.branch, Title: "Change the sale"})
		if err != nil {
			t.Fatal(err)
		}
		settle(ctx, t, w)
		w.GitHub.View(func(st *github.State) {
			status, _ := st.Status(name, sha, "shipmate/checks")
			if status.State != story.want {
				t.Errorf("%s: status is %q (%s), want %s", story.branch, status.State, deref(status.Description), story.want)
			}
		})
		if story.want == "failure" {
			comments := w.GitHub.Comments(name, pr.Number)
			run := between(comments[0].Body, "run [`", "`")
			if _, err := mona.Comment(name, pr.Number, "/logs "+run); err != nil {
				t.Fatal(err)
			}
			settle(ctx, t, w)
			comments = w.GitHub.Comments(name, pr.Number)
			if last := comments[len(comments)-1].Body; !strings.Contains(last, "expected:<90> but was:<80>") {
				t.Errorf("/logs does not show why the build failed:\n%s", last)
			}
		}
	}
}

// mavenRepository makes an offline repository of Debian's Maven packages. Its
// plexus-utils is also what old plugins ask for as version 1.1.
func mavenRepository(t *testing.T) string {
	t.Helper()
	needs.On(t, needs.Maven())
	const system = needs.MavenRepository
	jars, err := filepath.Glob(system + "/org/codehaus/plexus/plexus-utils/2.x/*.jar")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "repository")
	if out, err := exec.Command("cp", "-rs", system, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	old := filepath.Join(dir, "org/codehaus/plexus/plexus-utils/1.1")
	pom := "<project><modelVersion>4.0.0</modelVersion><groupId>org.codehaus.plexus</groupId><artifactId>plexus-utils</artifactId><version>1.1</version></project>"
	for _, err := range []error{
		os.MkdirAll(old, 0o755),
		os.Symlink(jars[0], filepath.Join(old, "plexus-utils-1.1.jar")),
		os.WriteFile(filepath.Join(old, "plexus-utils-1.1.pom"), []byte(pom), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mavenProject(repository string) map[string]string {
	return map[string]string{
		".shipmate.yaml": fmt.Sprintf(`
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - {name: build, run: "mvn -B -o -Dmaven.repo.local=$REPOSITORY clean package", timeout: 3m, environment: {REPOSITORY: %q}}
`, repository),
		"pom.xml": `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId><artifactId>prices</artifactId><version>1.0</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>4.x</version><scope>test</scope></dependency>
  </dependencies>
</project>
`,
		"src/main/java/shop/Price.java": "package shop;\npublic class Price { public static int withSale(int cents) { return cents; } }\n",
		"src/test/java/shop/PriceTest.java": `package shop;
import org.junit.Test;
import static org.junit.Assert.assertEquals;
public class PriceTest { @Test public void sale() { assertEquals(90, Price.withSale(100)); } }
`,
	}
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	inner, _, _ := strings.Cut(rest, to)
	return inner
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
