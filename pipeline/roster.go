package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Roster is whom rules of a file name, and at which commit the file was read. A
// name means the account or team that had it when the file was first read with
// the rule: names are given up and taken over, ids are not.
type Roster struct {
	ConfigSHA string
	Entries   []string // team:slug, team:id, user:login, user:id
}

// Roster is that of lists of the file.
func (c *Config) Roster(lists ...[]string) Roster {
	return Roster{ConfigSHA: c.SHA, Entries: slices.Concat(lists...)}
}

// Roster is that of lists of the file the run was made by.
func (r *Request) Roster(lists ...[]string) Roster {
	return Roster{ConfigSHA: r.ConfigSHA, Entries: slices.Concat(lists...)}
}

// Names lists every person and team that the file's rules name, once.
func (c *Config) Names() []string {
	var all []string
	for _, e := range c.Environments {
		all = append(all, e.Deployers...)
		if e.Approvals != nil {
			all = append(all, e.Approvals.By...)
		}
	}
	for _, p := range c.Pipelines {
		for _, s := range p.Steps {
			if s.Uses == "approval" {
				all = append(all, StepApproval(s).By...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// CheckApps lists the Apps that required checks are pinned to by name, once.
func (c *Config) CheckApps() []string {
	var all []string
	for _, e := range c.Environments {
		for _, entry := range e.Requires.Checks {
			if _, app := CheckName(entry); app != "" && !writtenByID(app) {
				all = append(all, app)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// WrittenID is the id of a rule that was written by it, such as user:583231.
func WrittenID(entry string) (id int64, ok bool) {
	_, name, _ := strings.Cut(entry, ":")
	id, err := strconv.ParseInt(name, 10, 64)
	return id, err == nil && id > 0
}

// Mistaken is a rule that seems to mean a person, who has the name now, and
// means another account or team.
type Mistaken struct {
	Entry string
	Means int64 // id; zero: nobody had the name
	Now   int64 // who has it now
}

// NameTaken says which rule of the list seems to mean the person and does not,
// and what to write if it should; "" if there is none.
func (s Standing) NameTaken(list []string) string {
	i := slices.IndexFunc(s.Mistaken, func(m Mistaken) bool { return slices.Contains(list, m.Entry) })
	if i < 0 {
		return ""
	}
	m := s.Mistaken[i]
	kind, _, _ := strings.Cut(m.Entry, ":")
	means := fmt.Sprintf("means the %s with the id %d, which had that name when `.shipmate.yaml` was first read with this rule; another has it now", kind, m.Means)
	if m.Means == 0 {
		means = fmt.Sprintf("means nobody: no %s had that name when `.shipmate.yaml` was first read with this rule", kind)
	}
	return fmt.Sprintf("`%s` %s. If the one who has it now is meant, write `%s:%d`.", m.Entry, means, kind, m.Now)
}
