package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// KindConfigCheck is the job of ConfigCheck. It is one of its own, so that
// what GitHub has against a check holds no pipeline up.
const KindConfigCheck = "config_check"

// ConfigCheck: a repository's file is to be judged on one commit. Only what is
// merged is ever in force: here it is read, and nothing of it is done.
type ConfigCheck struct {
	Repo  pipeline.Repo `json:"repo"`
	SHA   string        `json:"sha"`
	PR    int           `json:"pr,omitempty"`   // whose head the commit is; zero: it is a merge group's or the default branch's
	Base  string        `json:"base,omitempty"` // without PR: the commit it is compared with
	Push  bool          `json:"push,omitempty"` // it is what the default branch was moved to
	Again bool          `json:"again,omitempty"`
}

// ConfigChecks shows what a ConfigCheck came to, as the check shipmate/config.
type ConfigChecks interface {
	// About returns the Ref of the check that stands on the commit, "" if there is none.
	About(ctx context.Context, repo pipeline.Repo, sha string) (ref string, err error)
	// Show is the same however often it is done. Asked for again, it tells
	// GitHub so even if nothing has changed.
	Show(ctx context.Context, m ConfigCheck, r ConfigReport) error
}

// ConfigReport is a verdict on a file.
type ConfigReport struct {
	Conclusion string             // GitHub's word: success, failure, neutral
	Title      string             // plain text
	Summary    string             // Markdown as in [Answer]
	Problems   []pipeline.Problem // each to be shown at its line
}

// ConfigFile is a repository's file at a commit: nothing at all if there is none.
type ConfigFile struct {
	Config *pipeline.Config // nil: it has errors, or is not there
	Err    error            // bad_config, with its pipeline.Problems
	Digest string           // of its bytes, "" if it is not there
}

// job: there is one for each commit, and a burst of messages about it collapses.
func (m ConfigCheck) job() pipeline.Job {
	payload, err := json.Marshal(m)
	if err != nil {
		panic("config check: " + err.Error()) // our own struct always encodes
	}
	id := fmt.Sprintf("config:%d:%s", m.Repo.ID, m.SHA)
	if m.Again { // must not be lost in one that is queued
		id += ":again"
	}
	return pipeline.Job{ID: id, Kind: KindConfigCheck, Pool: pipeline.Control, Repo: m.Repo.ID, Payload: payload, Again: true}
}

// Ref says on the check itself what it is about, for when it is to be run again.
func (m ConfigCheck) Ref() string {
	about := strconv.Itoa(m.PR)
	if m.Push {
		about = "push"
	}
	return "config/" + about + "/" + m.Base
}

// refers fills in what a Ref says, and reports whether it was one.
func (m *ConfigCheck) refers(ref string) bool {
	rest, is := strings.CutPrefix(ref, "config/")
	if !is {
		return false
	}
	about, base, _ := strings.Cut(rest, "/")
	m.Base, _, _ = strings.Cut(base, "/")
	m.Push = about == "push"
	if n, err := strconv.Atoi(about); err == nil {
		m.PR = n
	}
	return true
}

// judge has the file judged, where checks can be shown.
func (b *Bot) judge(ctx context.Context, m ConfigCheck) error {
	if b.ConfigChecks == nil {
		return nil
	}
	return b.Queue.Enqueue(ctx, m.job())
}

// rejudge does so once more, because a person asked GitHub for it.
func (b *Bot) rejudge(ctx context.Context, m Rerun) (about bool, err error) {
	again := ConfigCheck{Repo: m.Repo, SHA: m.SHA, Again: true}
	if m.Run != "" && !again.refers(string(m.Run)) {
		return false, nil
	}
	return m.Run != "", b.judge(ctx, again)
}

// configCheck gives up where the commit, the pull request or the installation
// is gone: nobody waits there any more.
func (b *Bot) configCheck(ctx context.Context, _ string, m ConfigCheck) error {
	err := b.showConfig(ctx, m)
	final := pipeline.AsRefused(err) == nil || pipeline.Code(err) == "not_installed"
	if code := pipeline.Code(err); code != "" && code != "cannot_verify" && !pipeline.IsTemporary(err) && final {
		b.Log.Warn("no check of the file", "repo", m.Repo.String(), "err", err)
		return nil
	}
	return err
}

func (b *Bot) showConfig(ctx context.Context, m ConfigCheck) error {
	if m.Again && m.PR == 0 && m.Base == "" { // all checks of the commit were asked for
		ref, err := b.ConfigChecks.About(ctx, m.Repo, m.SHA)
		if err != nil || !m.refers(ref) {
			return err
		}
	}
	c, err := b.configChange(ctx, m)
	if err != nil {
		return err
	}
	report, say := c.report()
	if !say && !m.Again {
		return nil
	}
	return b.ConfigChecks.Show(ctx, m, report)
}

// configChange reads the file on both sides of the change, and the one in force.
func (b *Bot) configChange(ctx context.Context, m ConfigCheck) (c configChange, err error) {
	c.pushed = m.Push
	if c.head, err = b.GitHub.ConfigFile(ctx, m.Repo, m.SHA); err != nil {
		return c, err
	}
	if c.inForce, err = b.GitHub.ConfigFile(ctx, m.Repo, ""); err != nil {
		return c, err
	}
	base := m.Base
	if m.PR != 0 {
		if base, err = b.mergeBase(ctx, m); err != nil {
			return c, err
		}
	}
	if strings.Trim(base, "0") != "" { // a new branch comes from nowhere
		c.base, err = b.GitHub.ConfigFile(ctx, m.Repo, base)
	}
	return c, err
}

// mergeBase is the commit from which the pull request's own changes count, as
// GitHub shows them: what its base branch has got since is not its doing.
func (b *Bot) mergeBase(ctx context.Context, m ConfigCheck) (string, error) {
	pr, err := b.GitHub.PullRequest(ctx, m.Repo, m.PR)
	if err != nil {
		return "", err
	}
	return b.GitHub.MergeBase(ctx, m.Repo, pr.Into, m.SHA)
}
