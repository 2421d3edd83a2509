package github

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/tidwall/gjson"
)

// message is what a delivery becomes. No kind: it is not for us.
type message struct {
	kind string // of package bot
	key  string // the effect it has: equal for deliveries that must count once
	repo int64
	body any
}

// events are the webhooks that mean something to us, by their GitHub name.
var events = map[string]func(*delivery) message{
	"issue_comment":             issueComment,
	"pull_request":              pullRequest,
	"push":                      push,
	"check_run":                 checkRun,
	"check_suite":               checkSuite,
	"merge_group":               mergeGroup,
	"installation":              installation,
	"installation_repositories": installationRepositories,
	"repository":                repositoryMoved,
}

// issueComment: people's new comments on pull requests, if a line may be a
// command. Edited ones never count: whoever has write access may edit others'.
func issueComment(d *delivery) message {
	if !d.is("issue", "comment") {
		return message{}
	}
	var issue struct {
		number int64
		isPull bool
	}
	d.each(d.issue, func(key string, v gjson.Result) {
		switch key {
		case "number":
			issue.number = d.whole(v)
		case "pull_request":
			issue.isPull = v.IsObject()
		}
	})
	var comment struct {
		id   int64
		user account
		body string
		at   time.Time
	}
	d.each(d.comment, func(key string, v gjson.Result) {
		switch key {
		case "id":
			comment.id = d.whole(v)
		case "user":
			comment.user = d.account(v)
		case "body":
			comment.body = d.text(v)
		case "created_at":
			comment.at = d.time(v)
		}
	})
	d.need(d.action != "" && d.repo.id > 0 && issue.number > 0 && comment.id > 0)
	person := d.sender.kind == "User" && comment.user.kind == "User" && d.sender.id > 0 && d.sender.id == comment.user.id
	if d.wrong || d.action != "created" || !issue.isPull || !person || !mayHoldCommand(comment.body, d.slug) {
		return message{}
	}
	d.need(!comment.at.IsZero())
	return message{
		kind: bot.KindSaid,
		key:  key("comment", d.repo.id, comment.id),
		repo: d.repo.id,
		body: bot.Said{
			Repo:   d.pipelineRepo(),
			Actor:  d.sender.actor(),
			Origin: pipeline.Origin{Surface: "github", PR: int(issue.number), Comment: comment.id},
			Text:   comment.body,
			At:     comment.at,
		},
	}
}

// mayHoldCommand reports whether a line starts, after up to three spaces, with
// a slash or our mention. Whether it really is one is for the bot to say.
func mayHoldCommand(text, slug string) bool {
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		for range 3 {
			line = strings.TrimPrefix(line, " ")
		}
		if strings.HasPrefix(line, "/") {
			return true
		}
		if name, ok := strings.CutPrefix(line, "@"); ok && len(name) >= len(slug) && strings.EqualFold(name[:len(slug)], slug) {
			return true
		}
	}
	return false
}

func pullRequest(d *delivery) message {
	if !d.is("pull_request") {
		return message{}
	}
	d.need(d.action != "" && d.number > 0 && d.repo.id > 0)
	switch d.action {
	case "opened", "synchronize", "reopened", "closed", "ready_for_review", "converted_to_draft":
	case "edited":
		if !d.changes.Get("base").Exists() {
			return message{}
		}
	default:
		return message{}
	}
	m := bot.PullRequest{Repo: d.pipelineRepo(), Actor: d.sender.actor(), Action: d.action, Number: int(d.number)}
	var head, base int64
	d.each(d.pull, func(key string, v gjson.Result) {
		switch key {
		case "title":
			m.Title = d.text(v)
		case "user":
			m.Author = d.account(v).actor()
		case "draft":
			m.Draft = d.flag(v)
		case "merged":
			m.Merged = d.flag(v)
		case "updated_at":
			m.At = d.time(v)
		case "head":
			m.Branch, m.Head, head = d.end(v)
		case "base":
			m.Base, m.BaseSHA, base = d.end(v)
		}
	})
	m.Fork = head != d.repo.id // also where the fork was deleted
	d.need(isSHA(m.Head) && isSHA(m.BaseSHA) && m.Branch != "" && m.Base != "" && base == d.repo.id && m.Author.ID > 0 && !m.At.IsZero())
	return message{
		kind: bot.KindPullRequest,
		key:  key("pr", d.repo.id, d.number) + ":" + d.action + ":" + m.Head + ":" + m.At.UTC().Format(time.RFC3339),
		repo: d.repo.id,
		body: m,
	}
}

// end reads the head or the base of a pull request.
func (d *delivery) end(v gjson.Result) (branch, sha string, repo int64) {
	d.each(v, func(key string, v gjson.Result) {
		switch key {
		case "ref":
			branch = d.text(v)
		case "sha":
			sha = d.text(v)
		case "repo":
			if v.Type != gjson.Null {
				d.need(v.IsObject())
				repo = d.whole(v.Get("id"))
			}
		}
	})
	return branch, sha, repo
}

func push(d *delivery) message {
	if !d.is("pusher") {
		return message{}
	}
	d.need(d.repo.id > 0 && d.ref != "" && isSHA(d.before) && isSHA(d.after))
	branch, isBranch := strings.CutPrefix(d.ref, "refs/heads/")
	if d.wrong || !isBranch {
		return message{}
	}
	return message{
		kind: bot.KindPush,
		// pushed_at, as a branch may come to the same commit twice.
		key:  key("push", d.repo.id) + ":" + d.ref + ":" + d.before + ":" + d.after + ":" + strings.Trim(d.repo.pushed, `"`),
		repo: d.repo.id,
		body: bot.Push{
			Repo: d.pipelineRepo(), Actor: d.sender.actor(),
			Branch: branch, Default: branch == d.repo.defaultBranch,
			Before: d.before, After: d.after, Deleted: d.deleted,
			Title: d.commitTitle(d.headCommit),
		},
	}
}

// mergeGroup is told as a pull request with GitHub's action checks_requested:
// its head is the commit the queue wants checked.
func mergeGroup(d *delivery) message {
	if !d.is("merge_group") {
		return message{}
	}
	m := bot.PullRequest{Repo: d.pipelineRepo(), Actor: d.sender.actor(), Author: d.sender.actor(), Action: d.action, At: d.now.UTC().Truncate(time.Second)}
	d.each(d.mergeGroup, func(key string, v gjson.Result) {
		switch key {
		case "head_sha":
			m.Head = d.text(v)
		case "head_ref":
			m.Branch = strings.TrimPrefix(d.text(v), "refs/heads/")
		case "base_sha":
			m.BaseSHA = d.text(v)
		case "base_ref":
			m.Base = strings.TrimPrefix(d.text(v), "refs/heads/")
		case "head_commit":
			m.Title = d.commitTitle(v)
		}
	})
	m.Number = queuedPull(m.Branch)
	d.need(d.action != "" && d.repo.id > 0 && isSHA(m.Head))
	if d.wrong || d.action != "checks_requested" {
		return message{}
	}
	return message{kind: bot.KindPullRequest, key: key("merge-group", d.repo.id) + ":" + m.Head, repo: d.repo.id, body: m}
}

// queuedPull reads 104 out of gh-readonly-queue/main/pr-104-929f8209...
func queuedPull(branch string) int {
	_, rest, _ := strings.Cut(branch[strings.LastIndexByte(branch, '/')+1:], "pr-")
	digits, _, _ := strings.Cut(rest, "-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// check is what the two kinds of checks have in common.
type check struct {
	id              int64
	sha, externalID string
	app             int64
	updated         string
	pull            int64
}

func (d *delivery) check(v gjson.Result) (c check) {
	d.each(v, func(key string, v gjson.Result) {
		switch key {
		case "id":
			c.id = d.whole(v)
		case "head_sha":
			c.sha = d.text(v)
		case "external_id":
			c.externalID = d.text(v)
		case "app":
			d.each(v, func(key string, v gjson.Result) {
				if key == "id" {
					c.app = d.whole(v)
				}
			})
		case "updated_at":
			c.updated = d.text(v)
		case "check_suite":
			c.updated = d.text(v.Get("updated_at"))
		case "pull_requests":
			d.need(v.IsArray())
			c.pull = d.whole(v.Get("0.number"))
		}
	})
	d.need(c.id > 0 && isSHA(c.sha))
	return c
}

// ours: a person asks it of a check that we made.
func (d *delivery) ours(c check) bool {
	return !d.wrong && c.app == d.appID && d.appID != 0 && d.sender.kind == "User" && d.sender.id > 0
}

// pressing is the part of a key that lets the same person press the same
// button again later: after a refusal nothing on the check has changed.
func (d *delivery) pressing(c check) string {
	return ":" + strconv.FormatInt(d.sender.id, 10) + ":" + c.updated + ":" + strconv.FormatInt(d.now.Unix()/60, 10)
}

func checkRun(d *delivery) message {
	if !d.is("check_run") {
		return message{}
	}
	if d.action != "requested_action" && d.action != "rerequested" {
		d.need(d.action != "")
		return message{}
	}
	c := d.check(d.checkRun)
	d.need(d.repo.id > 0)
	if !d.ours(c) {
		return message{}
	}
	if d.action == "rerequested" {
		return message{
			kind: bot.KindRerun,
			key:  key("rerun", d.repo.id, c.id) + d.pressing(c),
			repo: d.repo.id,
			body: bot.Rerun{Repo: d.pipelineRepo(), Actor: d.sender.actor(), Run: pipeline.RunID(c.externalID), SHA: c.sha},
		}
	}
	button := ""
	d.each(d.requested, func(key string, v gjson.Result) {
		if key == "identifier" {
			button = d.text(v)
		}
	})
	d.need(button != "" && len(button) <= 64)
	return message{
		kind: bot.KindPressed,
		key:  key("pressed", d.repo.id, c.id) + ":" + button + d.pressing(c),
		repo: d.repo.id,
		body: bot.Pressed{
			Repo: d.pipelineRepo(), Button: button, Actor: d.sender.actor(),
			Origin: pipeline.Origin{Surface: "github", PR: int(c.pull)}, At: d.now.UTC(),
		},
	}
}

func checkSuite(d *delivery) message {
	if !d.is("check_suite") {
		return message{}
	}
	if d.action != "rerequested" {
		d.need(d.action != "")
		return message{}
	}
	c := d.check(d.checkSuite)
	d.need(d.repo.id > 0)
	if !d.ours(c) {
		return message{}
	}
	return message{
		kind: bot.KindRerun,
		key:  key("rerun-all", d.repo.id, c.id) + d.pressing(c),
		repo: d.repo.id,
		body: bot.Rerun{Repo: d.pipelineRepo(), Actor: d.sender.actor(), SHA: c.sha},
	}
}

func installation(d *delivery) message {
	d.is()
	d.need(d.action != "" && d.installation > 0 && d.repo.id == 0)
	m := bot.Installed{Installation: d.installation, Added: d.repos(d.repositories)}
	switch d.action {
	case "created", "unsuspend":
	case "deleted", "suspend":
		m.Gone, m.Removed, m.Added = true, m.Added, nil
	default:
		return message{}
	}
	// A person may suspend and unsuspend again and again.
	k := key("installation", d.installation) + ":" + d.action + ":" + strconv.FormatInt(d.now.Unix()/60, 10)
	return message{kind: bot.KindInstalled, key: k, body: m}
}

func installationRepositories(d *delivery) message {
	d.is("repositories_added", "repositories_removed")
	d.need(d.action != "" && d.installation > 0)
	m := bot.Installed{Installation: d.installation, Added: d.repos(d.added), Removed: d.repos(d.removed)}
	if d.wrong || len(m.Added)+len(m.Removed) == 0 {
		return message{}
	}
	return message{kind: bot.KindInstalled, key: d.repoListKey(m), body: m}
}

// repoListKey tells lists of repositories apart, and the same list at another time.
func (d *delivery) repoListKey(m bot.Installed) string {
	var b strings.Builder
	b.WriteString(key("repositories", d.installation) + ":" + d.action + ":" + strconv.FormatInt(d.now.Unix()/60, 10))
	for _, r := range slices.Concat(m.Added, m.Removed) {
		b.WriteString(":" + strconv.FormatInt(r.ID, 10))
	}
	if b.Len() <= 200 {
		return b.String()
	}
	return fmt.Sprintf("%s:%x", b.String()[:100], sha256.Sum256([]byte(b.String())))
}

// repositoryMoved: names are only names, but people type them.
func repositoryMoved(d *delivery) message {
	d.is()
	d.need(d.action != "" && d.repo.id > 0)
	if d.wrong || d.action != "renamed" && d.action != "transferred" {
		return message{}
	}
	return message{
		kind: bot.KindInstalled,
		key:  key(d.action, d.repo.id) + ":" + d.repo.owner + "/" + d.repo.name + ":" + strconv.FormatInt(d.now.Unix()/60, 10),
		body: bot.Installed{Installation: d.installation, Added: []pipeline.Repo{d.pipelineRepo()}},
	}
}

func key(kind string, ids ...int64) string {
	b := append(make([]byte, 0, 64), kind...)
	for _, id := range ids {
		b = strconv.AppendInt(append(b, ':'), id, 10)
	}
	return string(b)
}
