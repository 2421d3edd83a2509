package slack

import (
	"context"
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// comparer says what differs between what runs in an environment and what is
// to run there.
type comparer interface {
	Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error)
	Compare(ctx context.Context, repo pipeline.Repo, base, head string) (pipeline.Comparison, error)
}

// Changes is a [comparer] of a store and of GitHub.
type Changes struct {
	Store interface {
		Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error)
	}
	GitHub interface {
		Compare(ctx context.Context, repo pipeline.Repo, base, head string) (pipeline.Comparison, error)
	}
}

// Environment is what runs there.
func (c Changes) Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error) {
	return c.Store.Environment(ctx, repo, name)
}

// Compare asks GitHub.
func (c Changes) Compare(ctx context.Context, repo pipeline.Repo, base, head string) (pipeline.Comparison, error) {
	return c.GitHub.Compare(ctx, repo, base, head)
}

// change is what people are asked to approve, as it was read from GitHub.
type change struct {
	From    string      `json:"from,omitempty"` // the commit that runs now; "": none does
	To      string      `json:"to"`
	Ahead   int         `json:"ahead,omitempty"`
	Behind  int         `json:"behind,omitempty"`
	Files   int         `json:"files,omitempty"`
	More    bool        `json:"more,omitempty"` // there are more files than Files
	Commits [][2]string `json:"commits,omitempty"`
}

const (
	shownCommits = 5
	maxTitle     = 100
)

// asked keeps what the run would change, once it is asked about. It is read
// again only if something else runs there by then. What cannot be read is left
// out, for people are asked all the same; later says that it is worth another try.
func (s *Sink) asked(ctx context.Context, r *pipeline.Run, sh *shown) (later error) {
	if s.Changes == nil || r.Environment == nil || len(r.OpenGates()) == 0 {
		return nil
	}
	state, err := s.Changes.Environment(ctx, r.Repo.ID, r.Environment.Name)
	if err == nil {
		to, _ := r.Brings()
		var c *change
		if c, err = s.compared(ctx, r, from(state), to, sh.Change); err == nil {
			sh.Change = c
			return nil
		}
	}
	sh.Change = nil
	s.Log.Info("what a run changes is not shown", "run", r.ID, "err", err)
	if pipeline.IsTemporary(err) {
		return err
	}
	return nil
}

func from(state *pipeline.EnvironmentState) string {
	if state.Current == nil {
		return ""
	}
	return state.Current.SHA
}

func (s *Sink) compared(ctx context.Context, r *pipeline.Run, now, to string, known *change) (*change, error) {
	c := &change{From: now, To: to}
	switch {
	case known != nil && known.From == now && known.To == to:
		return known, nil
	case now == "" || now == to:
		return c, nil
	}
	base, head := now, to
	if r.Trigger == pipeline.ByRollback { // the other way round: the commits that go
		base, head = to, now
	}
	cmp, err := s.Changes.Compare(ctx, r.Repo, base, head)
	if err != nil {
		return nil, err
	}
	c.Ahead, c.Behind, c.Files, c.More = cmp.Ahead, cmp.Behind, cmp.Files, cmp.MoreFiles
	if base == to {
		c.Ahead, c.Behind = c.Behind, c.Ahead
	}
	for _, k := range cmp.Commits[:min(len(cmp.Commits), shownCommits)] {
		c.Commits = append(c.Commits, [2]string{k.SHA, short(oneLine(pipeline.Clean(k.Title)), maxTitle)})
	}
	return c, nil
}

// changes says what would change: commits, the newest first, and how many files.
func (s *Sink) changes(r *pipeline.Run, c *change) []slackgo.Block {
	if c == nil || len(r.OpenGates()) == 0 {
		return nil
	}
	text := s.Client.markup.mrkdwn(c.text(r, s.Web))
	return []slackgo.Block{slackgo.NewSectionBlock(markdown(cut(text, maxSection, "…")), nil, nil)}
}

func (c *change) text(r *pipeline.Run, web bot.Web) string {
	env := "**" + r.Environment.Name + "**"
	switch c.From {
	case "":
		return "First deployment to " + env + ": nothing of it runs there yet."
	case c.To:
		return fmt.Sprintf("%s runs on %s already.", linked(commitName(c.To), web.Commit(r.Repo, c.To)), env)
	}
	var what []string
	if c.Ahead > 0 {
		what = append(what, "brings "+count(c.Ahead, "commit"))
	}
	if c.Behind > 0 {
		what = append(what, "takes "+count(c.Behind, "commit")+" away")
	}
	files := count(c.Files, "file")
	if c.More {
		files = fmt.Sprintf("%d files or more", c.Files)
	}
	what = append(what, "changes "+files)
	text := fmt.Sprintf("%s runs on %s now. Compared to that, this %s. %s", linked(commitName(c.From), web.Commit(r.Repo, c.From)), env,
		strings.Join(what, ", "), linked("Compare", web.Compare(r.Repo, c.From, c.To)))
	for _, k := range c.Commits {
		text += fmt.Sprintf("\n- %s %s", linked(commitName(k[0]), web.Commit(r.Repo, k[0])), commands.Code(k[1]))
	}
	if more := max(c.Ahead, c.Behind) - len(c.Commits); more > 0 && len(c.Commits) > 0 {
		text += fmt.Sprintf("\n- and %d before these", more)
	}
	return text
}

// linked is a name of ours that leads to an address, if there is one.
func linked(name, to string) string {
	if to == "" {
		return name
	}
	return "[" + name + "](" + to + ")"
}

func commitName(sha string) string { return sha[:min(7, len(sha))] }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
