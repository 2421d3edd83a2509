package redisstore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
)

// process names a process for good, and where its number means something. It is
// part of the name that a Store has in the consumer groups, so that whoever runs
// beside it can tell that the leases of that name are a dead one's.
type process struct {
	host    string // for people
	world   string // the boot of the machine and the namespace of its process numbers; "" where they are not known
	pid     int
	started string // in the kernel's own clock: tells it from a later process with its number
}

// consumer is a new name of the process.
func (p process) consumer() string {
	host := strings.ReplaceAll(p.host, ":", "-")
	return strings.Join([]string{host, p.world, strconv.Itoa(p.pid), p.started, strings.ToLower(rand.Text()[:8])}, ":")
}

// parseConsumer reads a name; one of an older bot's tells nothing.
func parseConsumer(name string) (p process, ok bool) {
	parts := strings.Split(name, ":")
	if len(parts) != 5 {
		return process{}, false
	}
	pid, err := strconv.Atoi(parts[2])
	return process{host: parts[0], world: parts[1], pid: pid, started: parts[3]}, err == nil && pid > 0
}

// seen is what the kernel says of a process number.
type seen struct {
	gone    bool   // there is no process with that number
	started string // "" if it is not known
	dead    bool   // it has ended, and nobody has asked how
}

// isDead reports whether the process of that name is known to have ended. Of
// another machine, another boot or other process numbers nothing is known, and
// a process that stands still is not dead.
func (p process) isDead(name string, look func(pid int) seen) bool {
	other, ok := parseConsumer(name)
	if !ok || p.world == "" || other.world != p.world || other.host != p.host || other.started == "" {
		return false
	}
	now := look(other.pid)
	switch {
	case now.gone:
		return true
	case now.started == "":
		return false
	case now.started != other.started:
		return true // its number is another's
	}
	return now.dead
}

// thisProcess is us.
func thisProcess() process {
	host, _ := os.Hostname()
	p := process{host: strings.ReplaceAll(host, ":", "-"), pid: os.Getpid()}
	if now := lookAt(p.pid); !now.gone {
		p.started = now.started
	}
	if p.started != "" {
		p.world = world()
	}
	return p
}

// digest is a short name for what several texts say together, "" if one is missing.
func digest(texts ...string) string {
	for _, t := range texts {
		if t == "" {
			return ""
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return hex.EncodeToString(sum[:8])
}
