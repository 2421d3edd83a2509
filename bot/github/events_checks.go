package github

import (
	"strconv"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/tidwall/gjson"
)

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
	switch d.action {
	case "completed":
		return d.checkEnded(d.checkRun)
	case "requested_action", "rerequested":
	default:
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
			body: bot.Rerun{Repo: d.pipelineRepo(), Actor: d.sender.actor(), Run: pipeline.RunID(c.externalID), SHA: c.sha, Came: d.now.UTC()},
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
			Origin: pipeline.Origin{Surface: "github", PR: int(c.pull)}, At: d.now.UTC(), Came: d.now.UTC(),
		},
	}
}

func checkSuite(d *delivery) message {
	if !d.is("check_suite") {
		return message{}
	}
	switch d.action {
	case "completed":
		return d.checkEnded(d.checkSuite)
	case "rerequested":
	default:
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
		body: bot.Rerun{Repo: d.pipelineRepo(), Actor: d.sender.actor(), SHA: c.sha, Came: d.now.UTC()},
	}
}
