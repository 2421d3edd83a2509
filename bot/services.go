package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Service is a repository under the name people deploy it by.
type Service struct {
	Name         string        `json:"name"`
	Repo         pipeline.Repo `json:"repo"`
	SHA          string        `json:"sha,omitempty"` // of the default branch, when its file was last read and good
	Environments []string      `json:"environments,omitempty"`
	Aliases      []string      `json:"aliases,omitempty"`  // of its environments
	Channels     []string      `json:"channels,omitempty"` // Slack channels its environments name, with "#"
}

// Services is the index from service to repository. It is filled when the App
// is installed, at start, and when a default branch moves.
type Services struct{ Records Records }

// The index belongs to no repository: a set of repository ids, and a record each.
const (
	nowhere     = 0
	servicesKey = "services"
	forever     = 0
)

func serviceKey(repo string) string { return "service:" + repo }

// Put remembers a service.
func (s Services) Put(ctx context.Context, svc Service) error {
	value, err := json.Marshal(svc)
	if err != nil {
		return err
	}
	id := strconv.FormatInt(svc.Repo.ID, 10)
	if err := s.Records.Put(ctx, nowhere, serviceKey(id), value, forever); err != nil {
		return err
	}
	return s.Records.Add(ctx, nowhere, servicesKey, id, forever)
}

// Remove forgets a repository's service.
func (s Services) Remove(ctx context.Context, repo int64) error {
	return s.Records.Remove(ctx, nowhere, servicesKey, strconv.FormatInt(repo, 10))
}

// All lists the services by name.
func (s Services) All(ctx context.Context) ([]Service, error) {
	ids, err := s.Records.Members(ctx, nowhere, servicesKey)
	if err != nil {
		return nil, err
	}
	var all []Service
	for _, id := range ids {
		svc, err := s.get(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, svc)
	}
	slices.SortFunc(all, func(a, b Service) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Repo.String(), b.Repo.String()))
	})
	return all, nil
}

// Of is the service of a repository, zero if none is known.
func (s Services) Of(ctx context.Context, repo int64) (Service, error) {
	svc, err := s.get(ctx, strconv.FormatInt(repo, 10))
	if errors.Is(err, pipeline.ErrNotFound) {
		return Service{}, nil
	}
	return svc, err
}

func (s Services) get(ctx context.Context, id string) (svc Service, err error) {
	value, err := s.Records.Get(ctx, nowhere, serviceKey(id))
	if err != nil {
		return svc, err
	}
	if err := json.Unmarshal(value, &svc); err != nil {
		return svc, fmt.Errorf("service of repository %s: %w", id, err)
	}
	return svc, nil
}

// IndexAll reads the files of all repositories the App is installed on, once.
func (b *Bot) IndexAll(ctx context.Context, list func(ctx context.Context) ([]Installed, error)) error {
	if list == nil {
		return nil
	}
	all, err := patiently(ctx, list)
	if err != nil {
		b.Log.Warn("list installations; services are known as soon as their repositories are pushed to", "err", err)
		return nil
	}
	for _, in := range all {
		for _, repo := range in.Added {
			err := b.index(ctx, repo)
			if pipeline.IsTemporary(err) { // the queue tries it again
				err = b.Queue.Enqueue(ctx, Installed{Installation: in.Installation, Added: []pipeline.Repo{repo}}.job())
			}
			if err != nil {
				b.Log.Warn("index repository", "repo", repo.String(), "err", err)
			}
		}
	}
	return nil
}

// patiently asks again for half a minute while the answer may change by itself:
// at the start GitHub may not know our token everywhere yet.
func patiently[T any](ctx context.Context, ask func(context.Context) (T, error)) (out T, err error) {
	const tries, pause = 30, time.Second
	for range tries {
		if out, err = ask(ctx); !pipeline.IsTemporary(err) {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return out, err
		}
	}
	return out, err
}

// job has the repositories of an installation read at once.
func (m Installed) job() pipeline.Job {
	payload, err := json.Marshal(m)
	if err != nil {
		panic("installed: " + err.Error()) // our own struct always encodes
	}
	var id strings.Builder
	for _, r := range m.Added {
		fmt.Fprintf(&id, ":%d", r.ID)
	}
	return pipeline.Job{ID: "index" + id.String(), Kind: KindInstalled, Pool: pipeline.Control, Payload: payload, Again: true}
}

// installed has tried again what was refused there, and keeps the index of services.
func (b *Bot) installed(ctx context.Context, key string, m Installed) error {
	if err := b.lift(ctx, key, m); err != nil {
		return err
	}
	for _, repo := range m.Removed {
		if err := b.Services.Remove(ctx, repo.ID); err != nil {
			return err
		}
	}
	var refused error
	for _, repo := range m.Added {
		err := b.index(ctx, repo)
		if pipeline.AsRefused(err) != nil { // the others may be read
			refused, err = err, nil
		}
		if err != nil {
			return err
		}
	}
	return refused
}

// lift: where the App is installed, unsuspended or allowed more, GitHub may take
// now what it refused. It is done once: what it has tried again may be this very job.
func (b *Bot) lift(ctx context.Context, key string, m Installed) error {
	const keep = 48 * time.Hour
	if m.Gone || len(m.Added) == 0 && len(m.Removed) > 0 {
		return nil
	}
	if _, err := b.Records.Get(ctx, nowhere, "lifted:"+key); !errors.Is(err, pipeline.ErrNotFound) {
		return err
	}
	places := []string{pipeline.AtInstallation(m.Installation)}
	for _, repo := range m.Added {
		places = append(places, pipeline.AtRepo(repo.ID))
	}
	if err := b.Queue.Enqueue(ctx, pipeline.Lifted{Places: places}.Job()); err != nil {
		return err
	}
	return b.Records.Put(ctx, nowhere, "lifted:"+key, []byte("1"), keep)
}

// index reads a repository's file and remembers its service, channels and
// schedules, and which rules of the operator name it.
func (b *Bot) index(ctx context.Context, repo pipeline.Repo) error {
	if err := b.Rules.See(ctx, repo); err != nil {
		return err
	}
	cfg, err := b.GitHub.Config(ctx, repo)
	switch code := pipeline.Code(err); {
	case code == "no_config", code == "not_installed":
		return b.Services.Remove(ctx, repo.ID)
	case code == "bad_config":
		return b.auditConfig(ctx, repo, "", err) // what was known before stays; the check on the commit says what is wrong
	case err != nil:
		return err
	}
	if err := b.auditConfig(ctx, repo, cfg.SHA, nil); err != nil {
		return err
	}
	if err := b.Services.Put(ctx, serviceOf(repo, cfg)); err != nil {
		return err
	}
	return b.schedule(ctx, repo, cfg)
}

func serviceOf(repo pipeline.Repo, cfg *pipeline.Config) Service {
	s := Service{Name: cfg.Service, Repo: repo, SHA: cfg.SHA}
	for _, env := range cfg.Environments {
		s.Environments = append(s.Environments, env.Name)
		s.Aliases = append(s.Aliases, env.Aliases...)
		if env.Slack != "" && !slices.Contains(s.Channels, env.Slack) {
			s.Channels = append(s.Channels, env.Slack)
		}
	}
	return s
}
