package github

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// GitHub is many machines, and some are behind: an answer may be older than a
// webhook or an answer that came before it. So all that GitHub tells us of
// things that move is kept for a while, with its source and its time, in one
// place for all replicas. An answer that is older is not news: it is asked for
// again, for patience, and then it is said that GitHub does not know better yet.
// What GitHub has told us of and does not find is not there yet.

const (
	patience = 30 * time.Second // how long something may take to show
	keepTold = 10 * time.Minute // no machine of GitHub's is that much behind
)

// remembers keeps sets of small texts for all replicas.
type remembers interface {
	Add(ctx context.Context, repo int64, key, member string, keep time.Duration) error
	Remove(ctx context.Context, repo int64, key, member string) error
	Members(ctx context.Context, repo int64, key string) ([]string, error)
}

// state is how something stands. What is not there has none.
type state struct {
	SHA    string `json:"sha,omitempty"` // the head; of a comment a digest of its text, of a review or a check its verdict
	Base   string `json:"base,omitempty"`
	Closed bool   `json:"closed,omitempty"`
	Draft  bool   `json:"draft,omitempty"`
}

// fact is what we were told of one thing, by whom and when.
type fact struct {
	Is   state     `json:"is"`
	Was  *state    `json:"was,omitempty"` // before that; nil: not known
	ID   int64     `json:"id,omitempty"`  // of one among several, such as a review
	At   time.Time `json:"at,omitzero"`   // by GitHub's clock; zero: it did not say
	Came time.Time `json:"came"`          // by ours
	By   string    `json:"by"`            // the event, or "answer"
}

// Things that facts are about, within a repository.
const aboutDefault = "told:default" // the name of the default branch

func aboutPull(number int) string    { return "told:pull:" + strconv.Itoa(number) }
func aboutBranch(name string) string { return "told:branch:" + name }
func aboutCommit(sha string) string  { return "told:commit:" + sha }

// aboutRemark is about a comment of any kind; GitHub counts each by itself.
func aboutRemark(at pipeline.Origin) string {
	if at.CommentKind == "" {
		return aboutComment(at.Comment)
	}
	return "told:" + at.CommentKind + ":" + strconv.FormatInt(at.Comment, 10)
}

func aboutComment(id int64) string     { return "told:comment:" + strconv.FormatInt(id, 10) }
func aboutDeployment(id string) string { return "told:deployment:" + id }
func aboutCheckRun(id string) string   { return "told:check-run:" + id }
func aboutReviews(number int) string   { return "told:reviews:" + strconv.Itoa(number) }
func aboutChecks(sha string) string    { return "told:checks:" + sha }
func aboutStatuses(sha string) string  { return "told:statuses:" + sha }

// exists: what is deleted has no state.
func (f fact) exists() bool { return f.Is.SHA != "" }

// young: what was told so recently may not show everywhere yet.
func (f fact) young(now time.Time) bool { return now.Sub(f.Came) < patience }

// again is the error of what is asked for once more: soon at first, then more rarely.
func (f fact) again(now time.Time, why string) error {
	wait := min(max(now.Sub(f.Came)/4, time.Second), 5*time.Second)
	return pipeline.Temporary(&Patience{Wait: wait, Why: why + ", as told by " + f.By})
}

// told keeps facts. A nil one knows nothing.
type told struct {
	records remembers
	now     func() time.Time

	mu   sync.Mutex
	last time.Time // when something came
}

// came is the time now, a little later for everything that comes: what comes in
// one moment keeps its order.
func (t *told) came() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now().UTC()
	if ahead := t.last.Sub(now); ahead >= 0 && ahead < time.Second { // more is a clock that was set back
		now = t.last.Add(1)
	}
	t.last = now
	return now
}

// tell keeps a fact. One that is old already, such as a webhook that is
// delivered once more by hand, tells nothing.
func (t *told) tell(ctx context.Context, repo int64, about string, f fact) error {
	if t == nil || t.records == nil || repo == 0 {
		return nil
	}
	f.Came = t.came()
	if !f.At.IsZero() && f.Came.Sub(f.At) >= keepTold {
		return nil
	}
	member, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return pipeline.Temporary(t.records.Add(ctx, repo, about, string(member), keepTold))
}

// wrote keeps that something of ours stands there, because GitHub took a write
// to it just now. If that cannot be kept, the write is done all the same.
func (c *Client) wrote(ctx context.Context, repo pipeline.Repo, about string) {
	if err := c.told.tell(ctx, repo.ID, about, fact{Is: state{SHA: "written"}, By: "its answer to our own write"}); err != nil {
		c.cfg.Log.Warn("cannot keep what was written to GitHub", "repo", repo.String(), "what", about, "err", err)
	}
}

// facts lists what is known, in the order in which it happened.
func (t *told) facts(ctx context.Context, repo int64, about string) ([]fact, error) {
	if t == nil || t.records == nil || repo == 0 {
		return nil, nil
	}
	members, err := t.records.Members(ctx, repo, about)
	if err != nil {
		return nil, pipeline.Temporary(err)
	}
	var out []fact
	for _, m := range members {
		var f fact
		if err := json.Unmarshal([]byte(m), &f); err != nil {
			return nil, fmt.Errorf("%s: %w", about, err)
		}
		if t.now().Sub(f.Came) >= keepTold {
			if err := t.records.Remove(ctx, repo, about, m); err != nil {
				return nil, pipeline.Temporary(err)
			}
			continue
		}
		out = append(out, f)
	}
	slices.SortFunc(out, cameFirst)
	out = out[max(0, len(out)-maxFacts):]
	inOrder(out)
	return out, nil
}

// maxFacts is how many of the last facts about one thing are looked at.
const maxFacts = 50

// inOrder sorts by GitHub's clock where it said a time, which is in whole
// seconds. Within one, and where it did not, what led to something comes before
// it, and else what came first.
func inOrder(facts []fact) {
	slices.SortStableFunc(facts, cameFirst)
	for i := range facts {
		first := i + max(0, slices.IndexFunc(facts[i:], func(f fact) bool {
			return !slices.ContainsFunc(facts[i:], func(o fact) bool { return o.before(f) })
		}))
		f := facts[first]
		copy(facts[i+1:first+1], facts[i:first])
		facts[i] = f
	}
}

func cameFirst(a, b fact) int { return a.Came.Compare(b.Came) }

func (f fact) before(o fact) bool {
	if !f.At.IsZero() && !o.At.IsZero() && !f.At.Equal(o.At) {
		return f.At.Before(o.At)
	}
	leads := o.Was != nil && *o.Was == f.Is
	follows := f.Was != nil && *f.Was == o.Is
	return leads && !follows
}

// worth is what an answer is worth.
type worth int

const (
	news  worth = iota
	older       // than what we were told; ask again
	dated       // likewise, and it has been asked for long enough
)

// weigh holds an answer against the facts, in order. Strictly later by GitHub's
// own clock is news, unless it shows again what we know to be over: some of its
// machines date an old state anew.
func weigh(facts []fact, answer fact, now time.Time) (worth, fact) {
	if len(facts) == 0 {
		return news, fact{}
	}
	last := facts[len(facts)-1]
	timed := !answer.At.IsZero() && !last.At.IsZero()
	switch {
	case answer.Is == last.Is:
		return news, last
	case timed && answer.At.Before(last.At) && !last.young(now):
		return dated, last
	case !last.young(now):
		return news, last
	case timed && !answer.At.After(last.At), isOver(facts, answer.Is):
		return older, last
	}
	return news, last
}

// isOver reports whether something was in this state before, and is no longer.
func isOver(facts []fact, s state) bool {
	for i, f := range facts {
		if f.Was != nil && *f.Was == s || i < len(facts)-1 && f.Is == s {
			return true
		}
	}
	return false
}

// missing is the newest fact of a list of things, such as reviews, that the
// list does not hold yet. have is the verdict of each by its id.
func missing(facts []fact, have map[int64]string, now time.Time) (fact, bool) {
	newest := map[int64]fact{}
	for _, f := range facts {
		newest[f.ID] = f
	}
	var out fact
	for id, f := range newest {
		if f.young(now) && have[id] != f.Is.SHA && cmp.Compare(f.ID, out.ID) > 0 {
			out = f
		}
	}
	return out, out.ID != 0
}

// headAt is where a branch was at a time, by its known movements in order. It
// is not known if it moved in that very second, or if nothing is known of then.
func headAt(moves []fact, at time.Time) (sha string, known bool) {
	at = at.Truncate(time.Second)
	for _, m := range moves {
		when := m.At.Truncate(time.Second)
		switch {
		case m.Was == nil || m.Was.SHA == m.Is.SHA || when.IsZero():
			continue
		case when.Equal(at):
			return "", false
		case when.After(at):
			if known {
				return sha, true
			}
			return m.Was.SHA, true
		}
		sha, known = m.Is.SHA, true
	}
	return sha, known
}
