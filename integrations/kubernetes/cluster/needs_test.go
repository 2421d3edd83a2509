package cluster

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// The Roles people copy from the documentation are exactly what is needed.
func TestTheRolesOfTheDocumentation(t *testing.T) {
	for file, feature := range map[string]Feature{"deploy.yaml": ForDeploy, "jobs.yaml": ForJobs} {
		text, err := os.ReadFile("../../../docs/kubernetes/" + file)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ = bytes.Cut(text, []byte("\n---\n"))
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict(text, &role); err != nil {
			t.Fatal(err)
		}
		var shown []Need
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					shown = append(shown, Need{group, resource, rule.Verbs})
				}
			}
		}
		if got, want := Merged(shown), Needs(feature); !reflect.DeepEqual(got, want) {
			t.Errorf("%s says\n%v\nneeded is\n%v", file, got, want)
		}
	}
}
