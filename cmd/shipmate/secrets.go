package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/shipmate/shipmate/pipeline"
)

// Secrets says which repository may use which references: in its environments,
// and in its checks. Neither list says anything about the other.
type Secrets struct {
	Allow  []SecretRule `yaml:"allow"`
	Checks []CheckRule  `yaml:"checks"`
}

// SecretRule allows references. Repo is read as in pipeline.RuleRepo; the lists are globs matched whole.
type SecretRule struct {
	Repo         string   `yaml:"repo"`
	Environments []string `yaml:"environments"`
	Refs         []string `yaml:"refs"`
}

// CheckRule allows references in checks. Repo is one repository, by name or id.
type CheckRule struct {
	Repo string   `yaml:"repo"`
	Refs []string `yaml:"refs"`
	Apps []string `yaml:"apps"` // accounts of apps that are trusted as people with write access are: "49699333:dependabot"
}

var appForm = regexp.MustCompile(`^([1-9][0-9]{0,17})(:[A-Za-z0-9][A-Za-z0-9_-]*(\[bot\])?)?$`)

// check names what is wrong with the rules for checks: whoever may push a branch
// can read what they allow, so they say exactly what they mean.
func (s Secrets) check() error {
	var errs []error
	wrong := func(i int, format string, args ...any) {
		errs = append(errs, fmt.Errorf("secrets.checks, rule %d: "+format, append([]any{i + 1}, args...)...))
	}
	for i, r := range s.Checks {
		if !pipeline.OneRepo(r.Repo) {
			wrong(i, "repo is %s; write the one repository that is meant, as owner/name or by its id in quotes. A pattern would give secrets to repositories that are not there yet", pipeline.QuoteSetting(r.Repo))
		}
		if len(r.Refs) == 0 {
			wrong(i, "refs is missing; write which references its checks may use, such as \"env:SHOP_NEXUS_TOKEN\"")
		}
		for _, ref := range r.Refs {
			if _, err := pipeline.CompileGlob(ref); err != nil {
				wrong(i, "%w", err)
			}
		}
		for _, app := range r.Apps {
			if !appForm.MatchString(app) {
				wrong(i, "apps has %s; write the id of the app's account, with its name for readers: \"49699333:dependabot\". The id is in https://api.github.com/users/dependabot%%5Bbot%%5D", pipeline.QuoteSetting(app))
			}
		}
	}
	return errors.Join(errs...)
}

func (s Secrets) rules() []pipeline.SecretRule {
	var rules []pipeline.SecretRule
	for _, r := range s.Allow {
		rules = append(rules, pipeline.SecretRule(r))
	}
	return rules
}

// checkRules are those for checks, which were looked at by check.
func (s Secrets) checkRules() []pipeline.CheckRule {
	var rules []pipeline.CheckRule
	for _, r := range s.Checks {
		rule := pipeline.CheckRule{Repo: r.Repo, Refs: r.Refs}
		for _, app := range r.Apps {
			if id, err := strconv.ParseInt(appForm.FindStringSubmatch(app)[1], 10, 64); err == nil {
				rule.Apps = append(rule.Apps, id)
			}
		}
		rules = append(rules, rule)
	}
	return rules
}
