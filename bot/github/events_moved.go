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
	var sha, status, conclusion string
	var app, id int64
	d.each(v, func(key string, v gjson.Result) {
		switch key {
		case "id":
			id = d.whole(v)
		case "status":
			status = d.text(v)
		case "conclusion":
			conclusion = d.text(v)
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
	if isSHA(sha) && d.checkRun.Exists() {
		d.tell(aboutChecks(sha), fact{ID: id, Is: state{SHA: checkVerdict(status, conclusion)}})
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
		d.tell(aboutStatuses(d.sha), fact{ID: d.statusID, Is: state{SHA: d.state}})
		return m
	}
	return message{}
}

// tellReview keeps the verdict of a review. One without a word is not listed.
func (d *delivery) tellReview(number int64) {
	f := fact{}
	d.each(d.review, func(key string, v gjson.Result) {
		switch key {
		case "id":
			f.ID = d.whole(v)
		case "state":
			f.Is.SHA = strings.ToUpper(d.text(v))
		}
	})
	if f.ID > 0 && f.Is.SHA != "COMMENTED" {
		d.tell(aboutReviews(int(number)), f)
	}
}

// lifted has reports tried that GitHub refused there until now.
func (d *delivery) lifted(places ...string) message {
	if d.wrong {
		return message{}
	}
	return message{kind: kindLifted, body: pipeline.Lifted{Places: places}}
}

const kindLifted = "lifted" // for the log; the job is the engine's

// job is the message on its way to its handler.
func (m message) job(payload []byte) pipeline.Job {
	if lifted, is := m.body.(pipeline.Lifted); is {
		return lifted.Job()
	}
	if moved, is := m.body.(bot.Moved); is {
		return moved.Job()
	}
	return pipeline.Job{ID: "github:" + m.key, Kind: m.kind, Pool: pipeline.Control, Repo: m.repo, Payload: payload}
}
