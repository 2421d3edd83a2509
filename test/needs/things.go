package needs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// Redis is a Redis server.
func Redis() Thing { return programs("apt-get install redis-server", "redis-server") }

// RedisSentinel watches Redis servers.
func RedisSentinel() Thing { return programs("apt-get install redis-sentinel", "redis-sentinel") }

// RedisCLI makes clusters of them.
func RedisCLI() Thing { return programs("apt-get install redis-tools", "redis-cli") }

// Node runs JavaScript; with it come packages from the network.
func Node() Thing { return programs("apt-get install nodejs npm", "node", "npm") }

// Npm fetches packages.
func Npm() Thing { return programs("apt-get install npm", "npm") }

// Shell is what scripts of tests call.
func Shell() Thing {
	return programs("apt-get install coreutils util-linux findutils grep sed", "sh", "setsid", "env", "sleep", "find", "grep", "sed")
}

var chromes = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// Chromium is a browser.
func Chromium() Thing {
	return Thing{Name: "Chromium", Install: "apt-get install chromium fonts-dejavu-core", Missing: func() []string {
		if ChromiumPath() == "" {
			return []string{strings.Join(chromes, " or ")}
		}
		return nil
	}}
}

// ChromiumPath is where the browser is; "" if there is none.
func ChromiumPath() string {
	for _, name := range chromes {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// The simulated GitHub merges without a working tree, which git can since 2.38.
const gitMajor, gitMinor = 2, 38

var gitVersion = regexp.MustCompile(`git version (\d+)\.(\d+)`)

// Git is a git that the simulated GitHub can be made of, with its server.
func Git() Thing {
	name := fmt.Sprintf("git %d.%d or newer with its http-backend", gitMajor, gitMinor)
	return Thing{Name: name, Install: "apt-get install git (Alpine: apk add git git-daemon)", Missing: func() []string {
		said, err := exec.Command("git", "version").Output()
		if err != nil {
			return []string{"git"}
		}
		var missing []string
		m := gitVersion.FindStringSubmatch(string(said))
		if m == nil || older(m[1], m[2]) {
			missing = append(missing, fmt.Sprintf("git %d.%d (%s)", gitMajor, gitMinor, strings.TrimSpace(string(said))))
		}
		dir, err := exec.Command("git", "--exec-path").Output()
		if err != nil || !there(filepath.Join(strings.TrimSpace(string(dir)), "git-http-backend")) {
			missing = append(missing, "git-http-backend")
		}
		return missing
	}}
}

func older(major, minor string) bool {
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	return errA != nil || errB != nil || a < gitMajor || a == gitMajor && b < gitMinor
}

// Root is the right to change this machine.
func Root() Thing {
	return Thing{Name: "root", Install: "run the tests as root, in a container for example", Missing: func() []string {
		if os.Geteuid() != 0 {
			return []string{"root"}
		}
		return nil
	}}
}

// Debian is what the bot's image is made of.
func Debian() Thing {
	t := programs("apt-get install git ca-certificates libc-bin (on Debian)", "ldd", "chown", "cp", "grep")
	t.Name = "what the image is made of, where Debian has it"
	t.Missing = also(t.Missing, "/usr/bin/git", "/usr/lib/git-core/git-remote-http", "/usr/lib/git-core/git-remote-https", "/etc/ssl/certs/ca-certificates.crt")
	return t
}

// KubernetesNode is what one real node of a cluster needs.
func KubernetesNode() Thing {
	t := programs("apt-get install containerd runc containernetworking-plugins iptables iproute2 busybox-static",
		"containerd", "runc", "ctr", "ip", "iptables", "busybox")
	t.Name = "a real node of Kubernetes"
	t.Missing = also(t.Missing, "/usr/lib/cni/bridge", "/usr/lib/cni/host-local", "/usr/lib/cni/loopback")
	return t
}

// OtherDisk is a folder on another file system than that of temporary files.
func OtherDisk(dir string) Thing {
	return Thing{Name: "a second file system at " + dir, Install: "mount -t tmpfs tmpfs " + dir, Missing: func() []string {
		var a, b syscall.Stat_t
		if errors.Join(syscall.Stat(dir, &a), syscall.Stat(os.TempDir(), &b)) != nil || a.Dev == b.Dev || syscall.Access(dir, 2) != nil {
			return []string{"file system at " + dir + " of its own that may be written to"}
		}
		return nil
	}}
}

// Race are the flags that build a program with Go's race detector, none where
// there is no C compiler, which the detector needs.
func Race() []string {
	settings, err := exec.Command("go", "env", "CC", "CGO_ENABLED").Output()
	compiler, enabled, _ := strings.Cut(strings.TrimSpace(string(settings)), "\n")
	words := strings.Fields(compiler)
	if err != nil || enabled != "1" || len(words) == 0 {
		return nil
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return nil
	}
	return []string{"-race"}
}

// programs are all on the PATH.
func programs(install string, names ...string) Thing {
	return Thing{Name: strings.Join(names, ", "), Install: install, Missing: func() []string {
		var missing []string
		for _, name := range names {
			if _, err := exec.LookPath(name); err != nil {
				missing = append(missing, name)
			}
		}
		return missing
	}}
}

// also looks for files besides.
func also(missing func() []string, files ...string) func() []string {
	return func() []string {
		out := missing()
		for _, file := range files {
			if !there(file) {
				out = append(out, file)
			}
		}
		return out
	}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
