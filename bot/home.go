package bot

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Home is what one person finds on their own page: what waits for them, what
// they asked for, and what runs where.
type Home struct {
	Unlinked  string // why there is nothing else, and what to do
	Questions []HomeQuestion
	Open      []*pipeline.Run // asked for by the person, newest first
	Ended     []*pipeline.Run // likewise, the last few
	Services  []HomeService
}

// HomeQuestion is an approval the person may give and has not.
type HomeQuestion struct {
	Run  *pipeline.Run
	Gate string
}

// HomeService is a repository the person may read.
type HomeService struct {
	Name         string
	Repo         pipeline.Repo
	Environments []HomeEnvironment
}

// HomeEnvironment is how one environment stands.
type HomeEnvironment struct {
	Name        string
	State       *pipeline.EnvironmentState
	FrozenUntil time.Time // zero: it is not
}

// Homes keeps people's pages up to date: a page is made when it is opened, and
// again while it is fresh in somebody's mind and a run that concerns them
// changes. It is a [pipeline.Sink] that shows nothing itself: it has pages made.
type Homes struct {
	Store      homeStore
	Records    Records
	Queue      enqueuer
	GitHub     homeForge
	Services   Services
	Identities Identities
	Pages      Pages
	Now        func() time.Time
	Log        *slog.Logger
}

type homeStore interface {
	Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error)
	Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error)
}

type homeForge interface {
	Config(ctx context.Context, repo pipeline.Repo) (*pipeline.Config, error)
	Standing(ctx context.Context, repo pipeline.Repo, who pipeline.Actor, asked pipeline.Roster) (pipeline.Standing, error)
	ReadOnce(ctx context.Context) context.Context
}

// Pages shows a person their page.
type Pages interface {
	Publish(ctx context.Context, who pipeline.Actor, h Home) error
}

// The last few results on a page.
const homeResults = 5

// compose gathers a person's page. Of a repository they may not read, or that
// cannot be asked about, nothing is on it.
func (h *Homes) compose(ctx context.Context, who pipeline.Actor) (Home, error) {
	who, err := h.Identities.GitHub(ctx, who)
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
		return Home{Unlinked: pipeline.Message(err)}, nil
	}
	if err != nil {
		return Home{}, err
	}
	services, err := h.Services.All(ctx)
	if err != nil {
		return Home{}, err
	}
	var page Home
	for _, s := range services {
		may, err := h.mayRead(ctx, s.Repo, who)
		if err == nil && may {
			err = h.add(ctx, &page, s, who)
		}
		if err != nil {
			return Home{}, err
		}
	}
	newest := func(a, b *pipeline.Run) int { return b.Created.Compare(a.Created) }
	slices.SortStableFunc(page.Open, newest)
	slices.SortStableFunc(page.Ended, func(a, b *pipeline.Run) int { return b.Ended.Compare(a.Ended) })
	slices.SortStableFunc(page.Questions, func(a, b HomeQuestion) int { return newest(a.Run, b.Run) })
	page.Ended = page.Ended[:min(homeResults, len(page.Ended))]
	return page, nil
}

func (h *Homes) mayRead(ctx context.Context, repo pipeline.Repo, who pipeline.Actor) (bool, error) {
	s, err := h.GitHub.Standing(ctx, repo, who, pipeline.Roster{})
	if err != nil && !pipeline.IsTemporary(err) {
		h.Log.Warn("home page without a repository", "repo", repo.String(), "actor", who.Login, "err", err)
		return false, nil
	}
	return err == nil && s.Permission >= pipeline.Read, err
}

// add puts what is going on in one repository on the page.
func (h *Homes) add(ctx context.Context, page *Home, s Service, who pipeline.Actor) error {
	cfg, err := h.GitHub.Config(ctx, s.Repo)
	if err != nil && (pipeline.IsTemporary(err) || pipeline.Code(err) == "") {
		return err
	}
	shown := HomeService{Name: s.Name, Repo: s.Repo}
	for _, name := range s.Environments {
		state, err := h.Store.Environment(ctx, s.Repo.ID, name)
		if err != nil {
			return err
		}
		e := HomeEnvironment{Name: name, State: state}
		if cfg != nil {
			if env, ok := cfg.Environment(name); ok {
				if until, frozen := env.FrozenUntil(h.Now()); frozen {
					e.FrozenUntil = until
				}
			}
		}
		shown.Environments = append(shown.Environments, e)
	}
	page.Services = append(page.Services, shown)
	return h.addRuns(ctx, page, s.Repo, who)
}

func (h *Homes) addRuns(ctx context.Context, page *Home, repo pipeline.Repo, who pipeline.Actor) error {
	open, err := h.Store.Runs(ctx, pipeline.RunQuery{Repo: repo.ID, Open: true})
	if err != nil {
		return err
	}
	for _, r := range open {
		if behind(r) == who.ID {
			page.Open = append(page.Open, r)
		}
		for _, gate := range r.OpenGates() {
			may, err := h.mayAnswer(ctx, r, gate, who)
			if err != nil {
				return err
			}
			if may && !answered(r, gate, who.ID) {
				page.Questions = append(page.Questions, HomeQuestion{r, gate})
			}
		}
	}
	recent, err := h.Store.Runs(ctx, pipeline.RunQuery{Repo: repo.ID})
	for _, r := range recent {
		if behind(r) == who.ID && r.State.Terminal() {
			page.Ended = append(page.Ended, r)
		}
	}
	return err
}

// behind is the GitHub user a run is owed to: who asked, else who caused it; 0: nobody.
func behind(r *pipeline.Run) int64 {
	return cmp.Or(r.CausedBy.ID, r.Actor.ID)
}

func answered(r *pipeline.Run, gate string, id int64) bool {
	return slices.ContainsFunc(r.Approvals, func(a pipeline.Approval) bool { return a.Gate == gate && a.By.ID == id })
}

// mayAnswer asks by the same rule as /approve does.
func (h *Homes) mayAnswer(ctx context.Context, r *pipeline.Run, gate string, who pipeline.Actor) (bool, error) {
	return mayApprove(ctx, h.GitHub, r, gate, who)
}

type standings interface {
	Standing(ctx context.Context, repo pipeline.Repo, who pipeline.Actor, asked pipeline.Roster) (pipeline.Standing, error)
}

func mayApprove(ctx context.Context, github standings, r *pipeline.Run, gate string, who pipeline.Actor) (bool, error) {
	policy := r.ApprovalPolicy(gate)
	standing, err := github.Standing(ctx, r.Repo, who, r.Roster(policy.By))
	if err != nil {
		if pipeline.IsTemporary(err) {
			return false, err
		}
		return false, nil // what cannot be asked is no right
	}
	return standing.Permission >= pipeline.Read && pipeline.MayApprove(policy, standing, who.ID, r.Actor, r.Excluded) == "", nil
}
