package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/shipmate/shipmate/pipeline"
)

// RuleRepos writes down which repository a name in the operator's rules means:
// the first that the bot sees with the name. It is never written anew, so what
// was read once is remembered.
type RuleRepos struct {
	Records Records
	Locate  func(ctx context.Context, repo pipeline.Repo) (pipeline.Repo, error) // see Forge
	Rules   []string                                                             // as they are written in the settings

	mu    sync.Mutex
	means map[string]int64
}

func ruleNameKey(name string) string { return "rule-name:" + name }

// See writes down which rules name the repository.
func (p *RuleRepos) See(ctx context.Context, repo pipeline.Repo) error {
	if p == nil || len(p.names()) == 0 {
		return nil
	}
	_, err := p.Of(ctx, repo)
	return err
}

// Of is a repository as the rules know it. What the App cannot reach any more
// keeps the name it had: it is read no more, but what has begun can be undone.
func (p *RuleRepos) Of(ctx context.Context, repo pipeline.Repo) (pipeline.RuleRepo, error) {
	now, err := p.Locate(ctx, repo)
	reached := err == nil
	if pipeline.Code(err) == "not_installed" && !pipeline.IsTemporary(err) {
		now, err = repo, nil
	}
	if err != nil {
		return pipeline.RuleRepo{}, err
	}
	for _, name := range p.names() {
		id := int64(0)
		if reached && strings.EqualFold(name, now.String()) {
			id = now.ID
		}
		if err := p.learn(ctx, name, id); err != nil {
			return pipeline.RuleRepo{}, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := pipeline.RuleRepo{Repo: now, Means: map[string]int64{}}
	maps.Copy(known.Means, p.means)
	return known, nil
}

// learn finds out which repository a name means. If nobody has been seen with
// it yet, that is the one with the id, if there is one.
func (p *RuleRepos) learn(ctx context.Context, name string, id int64) error {
	p.mu.Lock()
	known := p.means[name] != 0
	p.mu.Unlock()
	if known {
		return nil
	}
	if id != 0 {
		if _, err := p.Records.PutNew(ctx, nowhere, ruleNameKey(name), strconv.AppendInt(nil, id, 10), forever); err != nil {
			return pipeline.Temporary(err)
		}
	}
	value, err := p.Records.Get(ctx, nowhere, ruleNameKey(name))
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	if err != nil {
		return pipeline.Temporary(err)
	}
	means, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return fmt.Errorf("which repository the rules mean by %s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.means == nil {
		p.means = map[string]int64{}
	}
	p.means[name] = means
	return nil
}

// names are those of the rules that are neither ids nor patterns.
func (p *RuleRepos) names() []string {
	var names []string
	for _, rule := range p.Rules {
		if name := pipeline.RuleName(rule); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
