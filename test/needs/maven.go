package needs

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// MavenRepository is where Debian's packages of Maven plugins lie.
const MavenRepository = "/usr/share/maven-repo"

// mavenParts are what "mvn clean package" of a project with JUnit tests loads,
// as folders of a repository with a jar below each.
var mavenParts = map[string]string{
	"org/apache/maven/plugins/maven-clean-plugin":     "libmaven-clean-plugin-java",
	"org/apache/maven/plugins/maven-resources-plugin": "libmaven-resources-plugin-java",
	"org/apache/maven/plugins/maven-compiler-plugin":  "libmaven-compiler-plugin-java",
	"org/apache/maven/plugins/maven-surefire-plugin":  "libsurefire-java",
	"org/apache/maven/plugins/maven-jar-plugin":       "libmaven-jar-plugin-java",
	"org/apache/maven/surefire/surefire-junit4":       "libsurefire-java",
	"org/codehaus/plexus/plexus-utils/2.x":            "libplexus-utils-java",
	"junit/junit/4.x":                                 "junit4",
}

// Maven builds Java without a network: the program, a Java compiler, and every
// plugin that a build loads.
func Maven() Thing { return mavenAt(MavenRepository) }

func mavenAt(repository string) Thing {
	return Thing{
		Name:    "Maven with its plugins from Debian",
		Install: "apt-get install maven default-jdk-headless junit4 libsurefire-java libplexus-utils-java libmaven-{clean,resources,compiler,jar}-plugin-java",
		Missing: func() []string {
			var missing []string
			for _, program := range []string{"mvn", "javac"} {
				if _, err := exec.LookPath(program); err != nil {
					missing = append(missing, program)
				}
			}
			for _, folder := range sorted(mavenParts) {
				if !jarBelow(filepath.Join(repository, folder)) {
					missing = append(missing, filepath.Base(strings.TrimSuffix(strings.TrimSuffix(folder, "/2.x"), "/4.x"))+" ("+mavenParts[folder]+")")
				}
			}
			return missing
		},
	}
}

// jarBelow reports whether a version of the artifact is there: in the folder
// itself, or in one for each version.
func jarBelow(folder string) bool {
	for _, pattern := range []string{"*.jar", "*/*.jar"} {
		if found, err := filepath.Glob(filepath.Join(folder, pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
