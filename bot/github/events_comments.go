package github

import (
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/tidwall/gjson"
)

// The events below are what people say in reviews, if a line may be a command.
// Edits never count: whoever has write access may edit what others wrote. A
// review that has comments comes as one event for itself and one for each.

// remark is what somebody wrote.
type remark struct {
	id   int64
	user account
	body string
	at   time.Time

	updated time.Time
}

// reviewComment: its time is when it was drafted. The review it belongs to may
// have been sent much later, and the head may have moved in between.
func reviewComment(d *delivery) message {
	if !d.is("pull_request", "comment") {
		return message{}
	}
	number, _ := d.pullHead()
	r := d.remark(d.comment, "created_at")
	d.need(d.action != "" && d.repo.id > 0 && number > 0 && r.id > 0)
	at := pipeline.Origin{PR: int(number), Comment: r.id, CommentKind: pipeline.ReviewComment}
	if r.user.kind == "User" {
		d.tellComment(aboutRemark(at), r.body, r.updated)
	}
	if d.action != "created" {
		return message{}
	}
	return d.said(r, at, "review-comment")
}

// review: somebody reviewed a pull request, or took it back. Runs may wait for
// that, and it may say a command.
func review(d *delivery) message {
	if !d.is("pull_request", "review") {
		return message{}
	}
	number, sha := d.pullHead()
	r := d.remark(d.review, "submitted_at")
	d.need(d.action != "" && number > 0)
	at := pipeline.Origin{PR: int(number), Comment: r.id, CommentKind: pipeline.ReviewBody}
	switch d.action {
	case "submitted":
		d.tellReview(number)
		if r.user.kind == "User" {
			d.tellComment(aboutRemark(at), r.body, r.at)
		}
		moved := d.moved(sha, number)
		said := d.said(r, at, "review")
		if d.wrong || said.kind == "" {
			return moved
		}
		said.also = &moved
		return said
	case "edited", "dismissed":
		d.tellReview(number)
		if d.action == "edited" && r.user.kind == "User" { // it has no time of that
			d.tellComment(aboutRemark(at), r.body, d.now.UTC().Truncate(time.Second))
		}
		return d.moved(sha, number)
	}
	return message{}
}

// pullHead reads the number and the head of the pull request.
func (d *delivery) pullHead() (number int64, sha string) {
	d.each(d.pull, func(key string, v gjson.Result) {
		switch key {
		case "number":
			number = d.whole(v)
		case "head":
			_, sha, _ = d.end(v)
		}
	})
	return number, sha
}

// remark reads a comment or a review; written is the key of its time.
func (d *delivery) remark(v gjson.Result, written string) (r remark) {
	d.each(v, func(key string, v gjson.Result) {
		switch key {
		case "id":
			r.id = d.whole(v)
		case "user":
			r.user = d.account(v)
		case "body":
			r.body = d.text(v)
		case written:
			r.at = d.time(v)
		case "updated_at":
			r.updated = d.time(v)
		}
	})
	return r
}

// said is a message if a person wrote it and a line may be a command. The kind
// is part of what makes it count once: GitHub counts ids of each by themselves.
func (d *delivery) said(r remark, at pipeline.Origin, kind string) message {
	person := d.sender.kind == "User" && r.user.kind == "User" && d.sender.id > 0 && d.sender.id == r.user.id
	if d.wrong || !person || len(commands.Lines(r.body, d.slug)) == 0 {
		return message{}
	}
	d.need(r.id > 0 && !r.at.IsZero())
	at.Surface = "github"
	return message{
		kind: bot.KindSaid,
		key:  key(kind, d.repo.id, r.id),
		repo: d.repo.id,
		body: bot.Said{Repo: d.pipelineRepo(), Actor: d.sender.actor(), Origin: at, Text: r.body, At: r.at, Came: d.now.UTC()},
	}
}
