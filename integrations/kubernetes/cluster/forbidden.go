package cluster

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// rights is what API servers say of a right that is missing, and denied how they
// name it.
var (
	rights = regexp.MustCompile(`cannot \S+ (resource|path) "`)
	denied = regexp.MustCompile(`cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)"| (at the cluster scope))?`)
	grants = regexp.MustCompile(`is attempting to grant RBAC permissions not currently held`)
)

// forbidden explains that a right is missing: which one, where, and how it is given.
func (t Target) forbidden(doing, said string) string {
	m := denied.FindStringSubmatch(said)
	if m == nil {
		return fmt.Sprintf("shipmate may not do this in the cluster %s (%s): %s. Ask the operator for that right.", t.Name, doing, said)
	}
	need := Need{Group: m[3], Resource: m[2], Verbs: []string{m[1]}}
	if m[4] != "" {
		t.Namespace = m[4]
	}
	if m[5] != "" || need.Group == "" && need.Resource == "namespaces" { // of which servers say that they are in themselves
		t.Namespace = ""
	}
	return fmt.Sprintf("shipmate may not do this %s (%s): %s. %s", t.where(), doing, said, t.remedy([]Need{need}))
}

// Lacks says that the bot has not been given rights in the target's namespace;
// "" stands for objects outside of namespaces.
func (t Target) Lacks(needs []Need) *pipeline.Error {
	return pipeline.Refuse("forbidden", "shipmate may not do this %s. %s Nothing was changed.", t.where(), t.remedy(needs))
}

func (t Target) where() string {
	if t.Namespace == "" {
		return "in the cluster " + t.Name + ", outside of namespaces"
	}
	return "in the namespace " + t.String()
}

// remedy says which rules to add to what, and names doctor where it finds them too.
func (t Target) remedy(needs []Need) string {
	needs = Merged(needs)
	rules := "`" + strings.TrimSuffix(strings.ReplaceAll(Rules(needs), "\n", "` `"), " `")
	if t.Namespace == "" {
		return "Add to a ClusterRole that a ClusterRoleBinding gives to the bot's account: " + rules + "."
	}
	text := "Add to the bot's Role in that namespace: " + rules + "."
	known := Needs(ForDeploy, ForJobs)
	for _, n := range needs {
		if slices.ContainsFunc(known, func(k Need) bool { return k.Group == n.Group && k.Resource == n.Resource && contains(k.Verbs, n.Verbs) }) {
			return text + fmt.Sprintf(" `shipmate doctor --namespace %s` lists what else is missing of the usual rights.", t.Namespace)
		}
	}
	return text
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
