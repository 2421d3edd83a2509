package github

import (
	"strings"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/tidwall/gjson"
)

// The events below have runs look again that wait for what others say about
// their commit. What we say ourselves is nothing to them.

// moved is told as often as it happens: to look once more changes nothing.
func (d *delivery) moved(sha string, pull int64) message {
	d.need(d.repo.id > 0 && isSHA(sha))
	return message{kind: bot.KindMoved, repo: d.repo.id, body: bot.Moved{Repo: d.repo.id, SHA: sha, PR: int(pull)}}
}

// checkEnded: a check run or a check suite of another App ended.
func (d *delivery) checkEnded(v gjson.Result) message {
	var sha string
	var app int64
	d.each(v, func(key string, v gjson.Result) {
		switch key {
		case "head_sha":
			sha = d.text(v)
		case "app":
			d.each(v, func(key string, v gjson.Result) {
				if key == "id" {
					app = d.whole(v)
				}
			})
		}
	})
	if app == d.appID && app != 0 {
		d.need(d.repo.id > 0 && isSHA(sha))
		return message{}
	}
	return d.moved(sha, 0)
}

// commitStatus: somebody reported the end of something on a commit.
func commitStatus(d *delivery) message {
	if !d.is("commit", "context") {
		return message{}
	}
	ours := d.sender.kind == "Bot" && strings.EqualFold(d.sender.login, d.slug+"[bot]")
	if m := d.moved(d.sha, 0); d.state != "pending" && !ours {
		return m
	}
	return message{}
}

// review: somebody reviewed a pull request, or took it back.
func review(d *delivery) message {
	if !d.is("pull_request", "review") {
		return message{}
	}
	var sha string
	var number int64
	d.each(d.pull, func(key string, v gjson.Result) {
		switch key {
		case "number":
			number = d.whole(v)
		case "head":
			_, sha, _ = d.end(v)
		}
	})
	d.need(d.action != "" && number > 0)
	switch d.action {
	case "submitted", "edited", "dismissed":
		return d.moved(sha, number)
	}
	return message{}
}

// job is the message on its way to its handler.
func (m message) job(payload []byte) pipeline.Job {
	if moved, is := m.body.(bot.Moved); is {
		return moved.Job()
	}
	return pipeline.Job{ID: "github:" + m.key, Kind: m.kind, Pool: pipeline.Control, Repo: m.repo, Payload: payload}
}
