package github

import (
	"math/rand/v2"
	"testing"
	"time"
)

// atSecond is the nth second of a story.
func atSecond(n int) time.Time {
	return time.Date(2026, 3, 2, 9, 0, n, 0, time.UTC)
}

func headed(sha string) state { return state{SHA: sha, Base: "main"} }

// headMoved is a webhook that says that a head moved at a second; it came half a
// second later.
func headMoved(from, to string, n int) fact {
	was := headed(from)
	return fact{Is: headed(to), Was: &was, At: atSecond(n), Came: atSecond(n).Add(500 * time.Millisecond), By: "pull_request synchronize"}
}

func TestWeigh(t *testing.T) {
	closed := fact{Is: state{SHA: "b", Base: "main", Closed: true}, At: atSecond(3), Came: atSecond(3)}
	for name, c := range map[string]struct {
		facts  []fact
		answer fact
		now    int
		want   worth
	}{
		"nothing is known":                             {nil, fact{Is: headed("a"), At: atSecond(0)}, 1, news},
		"the same":                                     {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("b"), At: atSecond(1)}, 2, news},
		"the same, of an older time":                   {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("b"), At: atSecond(0)}, 2, news},
		"what the event says it was before":            {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("a"), At: atSecond(0)}, 2, older},
		"the same, dated anew":                         {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("a"), At: atSecond(9)}, 10, older},
		"dated anew, half a minute later":              {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("a"), At: atSecond(9)}, 40, news},
		"of an older time, half a minute later":        {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("a"), At: atSecond(0)}, 40, dated},
		"something new of a later time":                {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("c"), At: atSecond(2)}, 3, news},
		"something else of the same second":            {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("c"), At: atSecond(1)}, 2, older},
		"two moves ago":                                {[]fact{headMoved("a", "b", 1), headMoved("b", "c", 2)}, fact{Is: headed("a"), At: atSecond(9)}, 10, older},
		"of no time, and known to be over":             {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("a")}, 2, older},
		"of no time, and new":                          {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("c")}, 2, news},
		"of no time, half a minute later":              {[]fact{headMoved("a", "b", 1)}, fact{Is: headed("a")}, 40, news},
		"shown before, with no word of what was":       {[]fact{{Is: headed("a"), Came: atSecond(1)}, {Is: headed("b"), Came: atSecond(2)}}, fact{Is: headed("a")}, 3, older},
		"forced back":                                  {[]fact{headMoved("a", "b", 1), headMoved("b", "a", 2)}, fact{Is: headed("a"), At: atSecond(2)}, 3, news},
		"from before it was forced back":               {[]fact{headMoved("a", "b", 1), headMoved("b", "a", 2)}, fact{Is: headed("b"), At: atSecond(1)}, 3, older},
		"open, and it was closed":                      {[]fact{headMoved("a", "b", 1), closed}, fact{Is: headed("b"), At: atSecond(1)}, 4, older},
		"open again, and it was closed with a new one": {[]fact{headMoved("a", "b", 1), closed}, fact{Is: headed("c"), At: atSecond(5)}, 6, news},
		"a new base":                                   {[]fact{headMoved("a", "b", 1)}, fact{Is: state{SHA: "b", Base: "next"}, At: atSecond(2)}, 3, news},
		"told by nobody, and it is gone":               {[]fact{headMoved("a", "b", 1)}, fact{Is: state{}}, 3, news},
	} {
		if got, _ := weigh(c.facts, c.answer, atSecond(c.now)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestInOrder: webhooks come in any order, and several happen within a second.
func TestInOrder(t *testing.T) {
	for name, story := range map[string][]fact{
		"one after the other":         {headMoved("", "a", 1), headMoved("a", "b", 2), headMoved("b", "c", 3), headMoved("c", "a", 4)},
		"all in a second":             {headMoved("", "a", 1), headMoved("a", "b", 1), headMoved("b", "c", 1), headMoved("c", "d", 1)},
		"two by two, and forced back": {headMoved("", "a", 1), headMoved("a", "b", 1), headMoved("b", "c", 2), headMoved("c", "b", 3)},
	} {
		for range 50 {
			got := make([]fact, len(story))
			for i, j := range rand.Perm(len(story)) {
				got[j] = story[i]
				got[j].Came = atSecond(10).Add(time.Duration(j) * time.Second) // as it came
			}
			inOrder(got)
			for i := range got {
				if got[i].Is != story[i].Is {
					t.Fatalf("%s: %v", name, got)
				}
			}
		}
	}
}

func TestHeadAt(t *testing.T) {
	was := headed("c")
	story := []fact{headMoved("a", "b", 10), headMoved("b", "c", 20), {Is: headed("c"), Was: &was, At: atSecond(25), By: "pull_request closed"}, headMoved("c", "a", 30)}
	for n, want := range map[int]string{5: "a", 15: "b", 22: "c", 25: "c", 27: "c", 35: "a", 10: "", 20: "", 30: ""} {
		if got, known := headAt(story, atSecond(n).Add(300*time.Millisecond)); got != want || known != (want != "") {
			t.Errorf("second %d: %q, %v, want %q", n, got, known, want)
		}
	}
	if got, known := headAt([]fact{{Is: headed("a"), At: atSecond(1)}}, atSecond(5)); known {
		t.Errorf("nothing moved, and it is known to be at %q", got)
	}
}

// TestMissing: a list lacks what was told of within half a minute, and what has
// another verdict in it.
func TestMissing(t *testing.T) {
	told := func(id int64, verdict string, n int) fact {
		return fact{ID: id, Is: state{SHA: verdict}, Came: atSecond(n)}
	}
	facts := []fact{told(1, "approved", 1), told(2, "approved", 2), told(1, "dismissed", 3)}
	for name, c := range map[string]struct {
		have map[int64]string
		now  int
		want int64
	}{
		"all of it":                   {map[int64]string{1: "dismissed", 2: "approved", 3: "approved"}, 5, 0},
		"the second is not in it":     {map[int64]string{1: "dismissed"}, 5, 2},
		"the first is as it was":      {map[int64]string{1: "approved", 2: "approved"}, 5, 1},
		"half a minute later":         {map[int64]string{}, 40, 0},
		"only the last is so new yet": {map[int64]string{}, 32, 1},
	} {
		if f, lacks := missing(facts, c.have, atSecond(c.now)); f.ID != c.want || lacks != (c.want != 0) {
			t.Errorf("%s: it lacks %d, %v, want %d", name, f.ID, lacks, c.want)
		}
	}
}
