package cluster

import "slices"

// Feature is something the bot does in a namespace, for which it needs rights.
type Feature string

// The features, in the order in which they are listed.
const (
	ForDeploy Feature = "deploy" // kubernetes.apply, kubernetes.rollout
	ForJobs   Feature = "jobs"   // "run:" steps as Jobs
	ForHelm   Feature = "helm"   // helm.upgrade
)

// Features are all of them.
var Features = []Feature{ForDeploy, ForJobs, ForHelm}

// Need is a right in a namespace: what a rule of a Role says, about one resource.
type Need struct {
	Group    string   `json:"apiGroup"` // "" is the core group
	Resource string   `json:"resource"` // "pods", or a part of one: "pods/log"
	Verbs    []string `json:"verbs"`
}

var (
	look  = []string{"get", "list", "watch"}
	apply = []string{"get", "list", "watch", "create", "patch", "delete"}
)

// workloads are the kinds that people deploy most; others are allowed by a Role
// of the operator's own.
var workloads = []Need{
	{"", "configmaps", apply},
	{"", "persistentvolumeclaims", apply},
	{"", "serviceaccounts", apply},
	{"", "services", apply},
	{"apps", "daemonsets", apply},
	{"apps", "deployments", apply},
	{"apps", "statefulsets", apply},
	{"autoscaling", "horizontalpodautoscalers", apply},
	{"batch", "cronjobs", apply},
	{"batch", "jobs", apply},
	{"gateway.networking.k8s.io", "httproutes", apply},
	{"networking.k8s.io", "ingresses", apply},
	{"networking.k8s.io", "networkpolicies", apply},
	{"policy", "poddisruptionbudgets", apply},
}

// state is what is read to say how a deployment comes along, and why not.
var state = []Need{
	{"", "events", look},
	{"", "pods", look},
	{"apps", "replicasets", look},
}

var needs = map[Feature][]Need{
	// The pods of a StatefulSet whose rollout is taken back have to be deleted.
	ForDeploy: slices.Concat(workloads, state, []Need{{"", "pods", []string{"delete"}}}),
	ForJobs: {
		{"", "events", look}, // they say why Kubernetes makes no pod
		{"", "pods", look},
		{"", "pods/portforward", []string{"create", "get"}}, // a WebSocket asks for both
		{"batch", "jobs", []string{"create", "delete", "get", "list", "watch"}},
	},
	// Helm keeps every revision of a release in a Secret.
	ForHelm: slices.Concat(workloads, state, []Need{{"", "secrets", []string{"get", "list", "watch", "create", "update", "patch", "delete"}}}),
}

// Needs is what the bot must be allowed in a namespace for the features: one
// entry a resource, by group and resource, verbs in alphabetical order. It is
// the one list of them: the Roles of the Helm chart and "shipmate doctor" are
// held against it.
func Needs(features ...Feature) []Need {
	var all []Need
	for _, f := range features {
		all = append(all, needs[f]...)
	}
	return Merged(all)
}

// Merged is the same needs with one entry a resource.
func Merged(some []Need) []Need {
	var all []Need
	for _, n := range some {
		i := slices.IndexFunc(all, func(have Need) bool { return have.Group == n.Group && have.Resource == n.Resource })
		if i < 0 {
			all = append(all, Need{n.Group, n.Resource, nil})
			i = len(all) - 1
		}
		all[i].Verbs = append(all[i].Verbs, n.Verbs...)
	}
	for i := range all {
		slices.Sort(all[i].Verbs)
		all[i].Verbs = slices.Compact(all[i].Verbs)
	}
	slices.SortFunc(all, func(a, b Need) int {
		return slices.Compare([]string{a.Group, a.Resource}, []string{b.Group, b.Resource})
	})
	return all
}
