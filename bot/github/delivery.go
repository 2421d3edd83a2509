package github

import (
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/tidwall/gjson"
)

// delivery is a webhook's body, read in one pass: what is nested stays as it is
// until an event asks for it. A value of an unexpected type sets wrong, and
// reading goes on with zero values.
type delivery struct {
	appID int64
	slug  string
	now   time.Time
	wrong bool

	shape         string // the keys that tell events apart, as they came: "issue comment "
	action        string
	number        int64
	ref           string
	sha, state    string // of a commit status
	statusID      int64
	before, after string
	deleted       bool
	installation  int64
	repo          repository
	sender        account

	pull, issue, comment, review, checkRun, checkSuite, mergeGroup gjson.Result
	headCommit, changes, requested                                 gjson.Result
	repositories, added, removed                                   gjson.Result

	tells []toldOf // what is to be kept of it, see told
}

// toldOf is what a delivery tells of one thing.
type toldOf struct {
	about string
	fact  fact
}

func (d *delivery) tell(about string, f fact) {
	if !d.wrong {
		d.tells = append(d.tells, toldOf{about, f})
	}
}

// tellHead: something is at a commit now, so there is that commit.
func (d *delivery) tellHead(about string, f fact) {
	d.tell(about, f)
	if f.exists() {
		d.tell(aboutCommit(f.Is.SHA), f)
	}
}

type account struct {
	id          int64
	login, kind string
}

func (a account) actor() pipeline.Actor { return pipeline.Actor{ID: a.id, Login: a.login} }

type repository struct {
	id          int64
	owner, name string
	all         gjson.Result
}

// decode reads the body once. It came from GitHub, for its signature was right,
// so only what we use is looked at, and that the whole is there.
func (d *delivery) decode(body gjson.Result) {
	end := 0
	defer func() { d.need(strings.TrimSpace(body.Raw[end:]) == "}") }()
	d.each(body, func(key string, v gjson.Result) {
		end = v.Index - body.Index + len(v.Raw)
		switch key {
		case "action":
			d.action = d.text(v)
		case "number":
			d.number = d.whole(v)
		case "id": // a commit status has no object of its own
			d.statusID = v.Int()
		case "ref":
			d.ref = d.text(v)
		case "sha":
			d.sha = d.text(v)
		case "state":
			d.state = d.text(v)
		case "before":
			d.before = d.text(v)
		case "after":
			d.after = d.text(v)
		case "deleted":
			d.deleted = d.flag(v)
		case "installation":
			d.each(v, func(key string, v gjson.Result) {
				if key == "id" {
					d.installation = d.whole(v)
				}
			})
		case "repository":
			d.repo = d.repository(v)
		case "sender":
			d.sender = d.account(v)
		case "head_commit":
			d.headCommit = v
		case "changes":
			d.changes = v
		case "requested_action":
			d.requested = v
		case "repositories":
			d.repositories = v
		default:
			d.tellApart(key, v)
		}
	})
}

// tellApart takes the keys that tell events apart. The name of the event is not
// signed, so it must fit the body.
func (d *delivery) tellApart(key string, v gjson.Result) {
	switch key {
	case "pull_request":
		d.pull = v
	case "issue":
		d.issue = v
	case "comment":
		d.comment = v
	case "check_run":
		d.checkRun = v
	case "check_suite":
		d.checkSuite = v
	case "merge_group":
		d.mergeGroup = v
	case "repositories_added":
		d.added = v
	case "repositories_removed":
		d.removed = v
	case "review":
		d.review = v
	case "pusher", "commit", "context", "thread", "discussion", "release", "deployment", "workflow_run", "workflow_job", "alert":
	default:
		return
	}
	d.shape += key + " "
}

// is reports whether the body has exactly these telling keys, and notes it if not.
func (d *delivery) is(keys ...string) bool {
	n := 0
	for _, key := range keys {
		if !strings.Contains(" "+d.shape, " "+key+" ") {
			d.wrong = true
		}
		n += len(key) + 1
	}
	if n != len(d.shape) {
		d.wrong = true
	}
	return !d.wrong
}

func (d *delivery) need(ok bool) {
	if !ok {
		d.wrong = true
	}
}

func (d *delivery) each(v gjson.Result, f func(key string, v gjson.Result)) {
	if v.Type == gjson.Null {
		return
	}
	if !v.IsObject() {
		d.wrong = true
		return
	}
	v.ForEach(func(k, v gjson.Result) bool {
		f(k.Str, v)
		return !d.wrong
	})
}

func (d *delivery) text(v gjson.Result) string {
	d.need(v.Type == gjson.String || v.Type == gjson.Null)
	return v.Str
}

func (d *delivery) whole(v gjson.Result) int64 {
	if v.Type == gjson.Null {
		return 0
	}
	n, err := strconv.ParseInt(v.Raw, 10, 64) // not v.Num: ids pass 2^53 one day
	d.need(err == nil && v.Type == gjson.Number)
	return n
}

func (d *delivery) flag(v gjson.Result) bool {
	d.need(v.Type == gjson.True || v.Type == gjson.False || v.Type == gjson.Null)
	return v.Type == gjson.True
}

func (d *delivery) time(v gjson.Result) time.Time {
	if v.Type == gjson.Null {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v.Str)
	d.need(err == nil)
	return t
}

func (d *delivery) account(v gjson.Result) (a account) {
	d.each(v, func(key string, v gjson.Result) {
		switch key {
		case "id":
			a.id = d.whole(v)
		case "login":
			a.login = d.text(v)
		case "type":
			a.kind = d.text(v)
		}
	})
	return a
}

// repository reads what all events need; it stands at the start of the object,
// and the rest is long.
func (d *delivery) repository(v gjson.Result) repository {
	r := repository{all: v}
	d.need(v.IsObject())
	v.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "id":
			r.id = d.whole(v)
		case "full_name":
			r.owner, r.name, _ = strings.Cut(d.text(v), "/")
		}
		return !d.wrong && (r.id == 0 || r.name == "")
	})
	d.need(r.id > 0 && r.owner != "" && r.name != "")
	return r
}

// repos reads a list of repositories in an installation event.
func (d *delivery) repos(list gjson.Result) (out []pipeline.Repo) {
	if list.Type == gjson.Null {
		return nil
	}
	d.need(list.IsArray())
	list.ForEach(func(_, v gjson.Result) bool {
		d.need(v.IsObject())
		if !d.wrong {
			r := d.repository(v)
			out = append(out, pipeline.Repo{ID: r.id, Installation: d.installation, Owner: r.owner, Name: r.name})
		}
		return !d.wrong
	})
	return out
}

func (d *delivery) pipelineRepo() pipeline.Repo {
	return pipeline.Repo{ID: d.repo.id, Installation: d.installation, Owner: d.repo.owner, Name: d.repo.name}
}

// commitTitle is the first line of a commit's message.
func (d *delivery) commitTitle(v gjson.Result) (title string) {
	d.each(v, func(key string, v gjson.Result) {
		if key == "message" {
			title = firstLine(d.text(v))
		}
	})
	return title
}

func firstLine(s string) string {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return s[:i]
	}
	return s
}

// isSHA: a full commit id, SHA-1 or SHA-256.
func isSHA(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}
