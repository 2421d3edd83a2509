package api

import (
	"net/http"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Service is a repository under the name people deploy it by.
type Service struct {
	Name         string   `json:"name"`
	Repo         string   `json:"repo"`
	Environments []string `json:"environments"`
}

// services lists what the token's person may look at.
func (h *handler) services(w http.ResponseWriter, r *http.Request) {
	all, err := h.Services.All(r.Context())
	if err != nil {
		h.failed(w, r, err)
		return
	}
	out := []Service{}
	for _, s := range all {
		may, err := h.mayRead(r.Context(), s.Repo)
		if err != nil {
			h.failed(w, r, err)
			return
		}
		if may {
			out = append(out, Service{s.Name, s.Repo.String(), append([]string{}, s.Environments...)})
		}
	}
	write(w, http.StatusOK, map[string]any{"services": out})
}

// service is the one whose repository the query names; it answers for itself
// if there is none for the eyes of the token's person.
func (h *handler) service(w http.ResponseWriter, r *http.Request) (bot.Service, bool) {
	repo := r.URL.Query().Get("repo")
	if repo == "" {
		fail(w, http.StatusBadRequest, "no_repo", "Say which repository is meant: ?repo=owner/name.")
		return bot.Service{}, false
	}
	all, err := h.Services.All(r.Context())
	s, known := serviceOf(all, repo)
	may := false
	if known {
		may, err = h.mayRead(r.Context(), s.Repo)
	}
	switch {
	case err != nil:
		h.failed(w, r, err)
	case !may:
		fail(w, http.StatusNotFound, errUnknownRepo.Code, errUnknownRepo.Message)
	}
	return s, may
}

// Environment is what is going on in an environment.
type Environment struct {
	Name    string      `json:"name"`
	Current *Deployment `json:"current,omitempty"` // what runs there
	Active  string      `json:"active,omitempty"`  // the run that works on it
	Queue   []string    `json:"queue"`             // the runs that wait for it, in their order
	Lock    *Lock       `json:"lock,omitempty"`
}

// Deployment is a revision that was deployed.
type Deployment struct {
	Run string    `json:"run"`
	SHA string    `json:"sha"`
	Ref string    `json:"ref,omitempty"`
	PR  int       `json:"pr,omitempty"`
	By  string    `json:"by"`
	At  time.Time `json:"at"`
}

// Lock keeps deploys away.
type Lock struct {
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	Run     string    `json:"run,omitempty"` // the rollback that set it
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires,omitzero"`
}

// environments shows all environments of a repository.
func (h *handler) environments(w http.ResponseWriter, r *http.Request) {
	s, ok := h.service(w, r)
	if !ok {
		return
	}
	out := []Environment{}
	for _, name := range s.Environments {
		state, err := h.Runs.Environment(r.Context(), s.Repo.ID, name)
		if err != nil {
			h.failed(w, r, err)
			return
		}
		out = append(out, standing(name, state, h.Now()))
	}
	write(w, http.StatusOK, map[string]any{"repo": s.Repo.String(), "service": s.Name, "environments": out})
}

func standing(name string, state *pipeline.EnvironmentState, now time.Time) Environment {
	e := Environment{Name: name, Active: string(state.Active), Queue: []string{}}
	for _, id := range state.Queue {
		e.Queue = append(e.Queue, string(id))
	}
	if d := state.Current; d != nil {
		e.Current = &Deployment{Run: string(d.Run), SHA: d.SHA, Ref: d.Ref, PR: d.PR, By: d.By, At: d.At.UTC()}
	}
	if l := state.Lock; l != nil && (l.Expires.IsZero() || now.Before(l.Expires)) {
		e.Lock = &Lock{By: l.By.Login, Reason: l.Reason, Run: string(l.Run), At: l.At.UTC(), Expires: l.Expires.UTC()}
	}
	return e
}
