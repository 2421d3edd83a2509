package github

import (
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/tidwall/gjson"
)

// message is what a delivery becomes. No kind: it is not for us.
type message struct {
	kind string // of package bot
	key  string // the effect it has: equal for deliveries that must count once; "": each counts
	repo int64
	body any
	also *message // what else it says; told first, as often as it comes

	moved int64 // the repository that has another name or owner now
}

// events are the webhooks that mean something to us, by their GitHub name.
var events = map[string]func(*delivery) message{
	"issue_comment":       issueComment,
	"pull_request":        pullRequest,
	"push":                push,
	"check_run":           checkRun,
	"check_suite":         checkSuite,
	"status":              commitStatus,
	"pull_request_review": review,

	"pull_request_review_comment": reviewComment,

	"merge_group":               mergeGroup,
	"installation":              installation,
	"installation_repositories": installationRepositories,
	"repository":                repositoryChanged,
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

		updated time.Time
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
		case "updated_at":
			comment.updated = d.time(v)
		}
	})
	d.need(d.action != "" && d.repo.id > 0 && issue.number > 0 && comment.id > 0)
	if issue.isPull && comment.user.kind == "User" {
		d.tellComment(aboutComment(comment.id), comment.body, comment.updated)
	}
	person := d.sender.kind == "User" && comment.user.kind == "User" && d.sender.id > 0 && d.sender.id == comment.user.id
	if d.wrong || d.action != "created" || !issue.isPull || !person || !mayHoldCommand(comment.body, d.slug) {
		return message{}
	}
	d.need(!comment.at.IsZero())
	if name := d.repo.all.Get("default_branch").Str; name != "" {
		d.tell(aboutDefault, fact{Is: state{Base: name}, At: comment.at})
	}
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
			Came:   d.now.UTC(),
		},
	}
}

// tellComment keeps what becomes of a comment that may hold a command, or did
// when it was written.
func (d *delivery) tellComment(about string, body string, updated time.Time) {
	f := fact{Is: state{SHA: textDigest(body)}, At: updated}
	before := body
	switch d.action {
	case "created", "submitted":
	case "edited":
		before = d.text(d.changes.Get("body.from"))
		f.Was = &state{SHA: textDigest(before)}
	case "deleted": // its time is that of its last edit
		f.Was, f.Is, f.At = &state{SHA: f.Is.SHA}, state{}, time.Time{}
	default:
		return
	}
	if mayHoldCommand(body, d.slug) || mayHoldCommand(before, d.slug) {
		d.tell(about, f)
	}
}

// mayHoldCommand reports whether a line is a command by its form. Whether it
// really is one is for the bot to say.
func mayHoldCommand(text, slug string) bool { return len(commands.Lines(text, slug)) > 0 }

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
	case "unlocked":
		return d.lifted(pipeline.AtPull(d.repo.id, int(d.number)), pipeline.AtRepo(d.repo.id))
	default:
		return message{}
	}
	m := bot.PullRequest{Repo: d.pipelineRepo(), Actor: d.sender.actor(), Action: d.action, Number: int(d.number)}
	var head, base int64
	closed := false
	d.each(d.pull, func(key string, v gjson.Result) {
		switch key {
		case "title":
			m.Title = d.text(v)
		case "user":
			m.Author = d.account(v).actor()
		case "state":
			closed = d.text(v) == "closed"
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
	d.tellPull(m, closed)
	return message{
		kind: bot.KindPullRequest,
		key:  key("pr", d.repo.id, d.number) + ":" + d.action + ":" + m.Head + ":" + m.At.UTC().Format(time.RFC3339),
		repo: d.repo.id,
		body: m,
	}
}

// tellPull keeps how a pull request stands now and stood before.
func (d *delivery) tellPull(m bot.PullRequest, closed bool) {
	f := fact{Is: state{SHA: m.Head, Base: m.Base, Closed: closed, Draft: m.Draft}, At: m.At}
	was := f.Is
	switch m.Action {
	case "synchronize":
		if isSHA(d.before) {
			was.SHA = d.before
		}
	case "closed", "reopened":
		was.Closed = !closed
	case "ready_for_review", "converted_to_draft":
		was.Draft = !m.Draft
	case "edited":
		was.Base = d.text(d.changes.Get("base.ref.from"))
	}
	if was != f.Is {
		f.Was = &was
	}
	d.tellHead(aboutPull(m.Number), f)
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
	d.tellPush(branch)
	pushed := d.repo.all.Get("pushed_at").Raw // a branch may come to the same commit twice
	return message{
		kind: bot.KindPush,
		key:  key("push", d.repo.id) + ":" + d.ref + ":" + d.before + ":" + d.after + ":" + shortText(pushed),
		repo: d.repo.id,
		body: bot.Push{
			Repo: d.pipelineRepo(), Actor: d.sender.actor(),
			Branch: branch, Default: branch == d.text(d.repo.all.Get("default_branch")),
			Before: d.before, After: d.after, Deleted: d.deleted,
			Title: d.commitTitle(d.headCommit),
		},
	}
}

// tellPush keeps where a branch is now and was before.
func (d *delivery) tellPush(branch string) {
	f := fact{Is: state{SHA: some(d.after)}, Was: &state{SHA: some(d.before)}, At: pushedAt(d.repo.all.Get("pushed_at"))}
	d.tellHead(aboutBranch(branch), f)
}

// some is a commit id, "" for the zeros that stand for none.
func some(sha string) string {
	if strings.Trim(sha, "0") == "" {
		return ""
	}
	return sha
}

// pushedAt reads seconds, which pushes have, or a time as in all other events.
func pushedAt(v gjson.Result) time.Time {
	if v.Type == gjson.Number {
		return time.Unix(v.Int(), 0).UTC()
	}
	t, err := time.Parse(time.RFC3339, v.Str)
	if err != nil {
		return time.Time{} // it does not say
	}
	return t
}

// shortText is a time as it was written, with or without quotes.
func shortText(raw string) string {
	const most = 40
	raw = strings.Trim(raw, `"`)
	return raw[:min(len(raw), most)]
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
	d.tell(aboutCommit(m.Head), fact{Is: state{SHA: m.Head}})
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

func key(kind string, ids ...int64) string {
	b := append(make([]byte, 0, 64), kind...)
	for _, id := range ids {
		b = strconv.AppendInt(append(b, ':'), id, 10)
	}
	return string(b)
}
