package pipeline

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// RuleRepo is a repository as the operator's rules know it. A rule says which
// one it means by id, by owner/name or by a pattern. A plain name means the
// repository that had it when the bot first saw the two together: names are
// given up and taken over, ids are not. A pattern goes by the name of today.
type RuleRepo struct {
	Repo  Repo             // under the name it has now
	Means map[string]int64 // the ids behind names in rules, by RuleName; nil: none is written down, and a name means whoever has it
}

// RuleRepos finds out how rules know a repository. Without one, names mean
// whoever has them.
type RuleRepos func(ctx context.Context, repo Repo) (RuleRepo, error)

// Of asks for a repository as rules know it.
func (find RuleRepos) Of(ctx context.Context, repo Repo) (RuleRepo, error) {
	if find == nil {
		return RuleRepo{Repo: repo}, nil
	}
	return find(ctx, repo)
}

// RuleName is the plain name in a rule, in lower case as GitHub tells no case
// apart; "" if the rule is an id or a pattern.
func RuleName(rule string) string {
	if strings.ContainsAny(rule, `*?[]{}\!`) || strings.Count(rule, "/") != 1 {
		return ""
	}
	return strings.ToLower(rule)
}

// Fits reports whether a rule means the repository.
func (r RuleRepo) Fits(rule string) bool {
	if id, err := strconv.ParseInt(rule, 10, 64); err == nil {
		return id > 0 && id == r.Repo.ID
	}
	if name := RuleName(rule); name != "" && r.Means != nil {
		return r.Repo.ID > 0 && r.Means[name] == r.Repo.ID
	}
	return MatchGlobs([]string{strings.ToLower(rule)}, strings.ToLower(r.Repo.String()))
}

// Replaced is the refusal where a rule has the repository's name and means
// another one, which had it before; nil everywhere else.
func (r RuleRepo) Replaced(rule string) error {
	name := RuleName(rule)
	means := r.Means[name]
	if name == "" || means == 0 || means == r.Repo.ID || name != strings.ToLower(r.Repo.String()) {
		return nil
	}
	return Refuse("repository_replaced", "The operator's rule for `%s` means the repository with the id %d, which had that name when the rule was first read. "+
		"This one, which has the name now, has the id %d. If it is meant, the operator writes `\"%d\"` in its place.", rule, means, r.Repo.ID, r.Repo.ID)
}

// Refusal is nil if one of the rules means the repository. Else it says that a
// rule means another one of the name, or what is given.
func (r RuleRepo) Refusal(rules []string, otherwise error) error {
	if slices.ContainsFunc(rules, r.Fits) {
		return nil
	}
	for _, rule := range rules {
		if err := r.Replaced(rule); err != nil {
			return err
		}
	}
	return otherwise
}
