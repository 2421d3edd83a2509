package redisstore

import (
	"strings"
	"testing"
)

func TestWhoIsDead(t *testing.T) {
	t.Parallel()
	us := process{host: "build-1", world: "b007", pid: 100, started: "900"}
	was := process{host: "build-1", world: "b007", pid: 50, started: "700"}
	alive := seen{started: "700"}
	for name, c := range map[string]struct {
		who  process
		look seen
		want bool
	}{
		"it runs, or stands still":                   {was, alive, false},
		"it is gone":                                 {was, seen{gone: true}, true},
		"its number is another's":                    {was, seen{started: "800"}, true},
		"it ended and nobody asked how":              {was, seen{started: "700", dead: true}, true},
		"another one with its number ended":          {was, seen{started: "800", dead: true}, true},
		"nothing can be seen of it":                  {was, seen{}, false},
		"another boot, or a container":               {process{host: "build-1", world: "0ther", pid: 50, started: "700"}, seen{gone: true}, false},
		"another machine with the same boot":         {process{host: "build-2", world: "b007", pid: 50, started: "700"}, seen{gone: true}, false},
		"it did not know where it ran":               {process{host: "build-1", pid: 50, started: "700"}, seen{gone: true}, false},
		"it did not know when it began":              {process{host: "build-1", world: "b007", pid: 50}, seen{gone: true}, false},
		"ourselves, by another store":                {us, seen{started: "900"}, false},
		"an earlier one with our number: same pid 1": {process{host: "build-1", world: "b007", pid: 100, started: "100"}, seen{started: "900"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look := func(pid int) seen {
				if pid != c.who.pid {
					t.Errorf("asked for %d", pid)
				}
				return c.look
			}
			if got := us.isDead(c.who.consumer(), look); got != c.want {
				t.Errorf("dead: %t", got)
			}
		})
	}
	nobody := func(int) seen { return seen{gone: true} }
	for _, name := range []string{"", "build-1-50-abcdefgh", "build-1:b007:x:700:abcdefgh", "build-1:b007:0:700:abcdefgh", "build-1:b007:-1:700:abcdefgh", "a:b:c"} {
		if us.isDead(name, nobody) {
			t.Errorf("%q is dead", name)
		}
	}
	if lost := (process{host: "build-1", pid: 100}); lost.isDead(process{host: "build-1", pid: 50, started: "700"}.consumer(), nobody) {
		t.Error("who does not know where it runs knows nothing of others")
	}
}

func TestAConsumersNameIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"build-1", "fe80::1", ""} {
		p := process{host: strings.ReplaceAll(host, ":", "-"), world: "b007", pid: 7, started: "9"}
		if got, ok := parseConsumer(p.consumer()); !ok || got != p {
			t.Errorf("%+v of %+v", got, p)
		}
	}
	if us := thisProcess(); us.consumer() == us.consumer() {
		t.Error("two stores of a process have one name")
	}
}
