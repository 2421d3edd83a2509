package github

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

func installation(d *delivery) message {
	d.is()
	d.need(d.action != "" && d.installation > 0 && d.repo.id == 0)
	m := bot.Installed{Installation: d.installation, Added: d.repos(d.repositories)}
	switch d.action {
	case "created", "unsuspend", "new_permissions_accepted":
	case "deleted": // one that is suspended is still there: who asks is told
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

// repositoryChanged: names are only names, but people type them. One that is
// not archived any more takes again what was kept back.
func repositoryChanged(d *delivery) message {
	d.is()
	d.need(d.action != "" && d.repo.id > 0)
	if d.action == "unarchived" {
		return d.lifted(pipeline.AtRepo(d.repo.id))
	}
	if d.wrong || d.action != "renamed" && d.action != "transferred" {
		return message{}
	}
	return message{
		kind: bot.KindInstalled,
		key:  key(d.action, d.repo.id) + ":" + d.repo.owner + "/" + d.repo.name + ":" + strconv.FormatInt(d.now.Unix()/60, 10),
		body: bot.Installed{Installation: d.installation, Added: []pipeline.Repo{d.pipelineRepo()}},

		moved: d.repo.id,
	}
}
