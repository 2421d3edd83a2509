package bot

import (
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Web knows where people see things with a browser. It is the one place that
// says whether there is a page: an address is "" where there is none.
type Web struct {
	GitHub string // "https://github.com"
	Pages  string // where runs have pages of their own; "": they have none
}

// Commit is where a commit is shown.
func (w Web) Commit(repo pipeline.Repo, sha string) string { return w.in(repo, "/commit/"+sha) }

// Pull is where a pull request is shown, "" for none.
func (w Web) Pull(repo pipeline.Repo, number int) string {
	if number == 0 {
		return ""
	}
	return w.in(repo, fmt.Sprintf("/pull/%d", number))
}

// Compare is where two commits are compared.
func (w Web) Compare(repo pipeline.Repo, base, head string) string {
	return w.in(repo, "/compare/"+base+"..."+head)
}

// Repo is where a repository is shown.
func (w Web) Repo(repo pipeline.Repo) string { return w.in(repo, "") }

func (w Web) in(repo pipeline.Repo, path string) string {
	if w.GitHub == "" || repo.Owner == "" {
		return ""
	}
	return strings.TrimRight(w.GitHub, "/") + "/" + repo.String() + path
}

// Run is the page of a run.
func (w Web) Run(r *pipeline.Run) string {
	if w.Pages == "" {
		return ""
	}
	return strings.TrimRight(w.Pages, "/") + "/runs/" + string(r.ID)
}
