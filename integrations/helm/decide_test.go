package helm

import (
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/release/common"
	v1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/shipmate/shipmate/pipeline"
)

func TestScope(t *testing.T) {
	for path, want := range map[string]string{
		"/api": "-", "/api/v1": "-", "/apis": "-", "/apis/apps/v1": "-", "/version": "-", "/openapi/v3/api/v1": "-",
		"/api/v1/namespaces/shop/secrets": "shop", "/api/v1/namespaces/shop/pods/web": "shop", "/apis/apps/v1/namespaces/shop/deployments/web": "shop",
		"/api/v1/secrets": "", "/api/v1/nodes/n": "", "/apis/apps/v1/deployments": "", "/api/v1/namespaces/shop": "", "/api/v1/namespaces": "",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/x": "",
	} {
		got, inside := scope(path)
		if !inside {
			got = "-"
		}
		if got != want {
			t.Errorf("%s is about %q, want %q", path, got, want)
		}
	}
}

func revision(n int, status common.Status, by mark) *v1.Release {
	r := &v1.Release{Name: "shop", Version: n, Info: &v1.Info{Status: status}}
	if by.Run != "" {
		r.Labels = by.labels(n)
	}
	return r
}

func TestWhoMayTouchARelease(t *testing.T) {
	ours := mark{Owner: "prod", Run: "r-2", Step: "abc.1", Fence: 5}
	by := func(f func(*mark)) mark { m := ours; f(&m); return m }
	inherited := revision(2, common.StatusPendingUpgrade, ours)
	inherited.Labels = ours.labels(1)
	rollback := revision(3, common.StatusPendingRollback, mark{})
	rollback.Info.RollbackRevision, rollback.Info.Description = 1, ours.rollback(1)
	for name, c := range map[string]struct {
		last *v1.Release
		code string // of the refusal
		soon bool   // it is tried again
	}{
		"nothing is there":                           {nil, "", false},
		"a person's, deployed":                       {revision(1, common.StatusDeployed, mark{}), "", false},
		"left by an earlier call of this step":       {revision(2, common.StatusPendingUpgrade, by(func(m *mark) { m.Fence = 4 })), "", false},
		"left by an earlier attempt":                 {revision(2, common.StatusPendingUpgrade, by(func(m *mark) { m.Step = "abc.0" })), "", false},
		"left by an earlier run":                     {revision(2, common.StatusPendingInstall, by(func(m *mark) { m.Run, m.Step, m.Fence = "r-1", "x.1", 3 })), "", false},
		"our rollback, cut short":                    {rollback, "", false},
		"in the hands of another step of this run":   {revision(2, common.StatusPendingUpgrade, by(func(m *mark) { m.Step, m.Fence = "def.1", 4 })), "release_busy", true},
		"in the hands of another environment":        {revision(2, common.StatusPendingUpgrade, by(func(m *mark) { m.Owner, m.Run = "staging", "r-9" })), "release_busy", true},
		"in a person's hands":                        {revision(2, common.StatusPendingUpgrade, mark{}), "release_busy", true},
		"in a person's hands, who inherited a label": {inherited, "release_busy", true},
		"a later run has been here":                  {revision(2, common.StatusDeployed, by(func(m *mark) { m.Run, m.Fence = "r-3", 6 })), "superseded", false},
		"a later run is at it":                       {revision(2, common.StatusPendingUpgrade, by(func(m *mark) { m.Run, m.Fence = "r-3", 6 })), "superseded", false},
	} {
		var h history
		if c.last != nil {
			h = history{c.last}
		}
		err := h.check(ours, Place{Namespace: "shop", Cluster: "eu"})
		if pipeline.Code(err) != c.code || pipeline.IsTemporary(err) != c.soon {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatThereIsToGoBackTo(t *testing.T) {
	ours := mark{Owner: "prod", Run: "r-2", Step: "abc.1", Fence: 5}
	h := history{revision(1, common.StatusSuperseded, mark{}), revision(2, common.StatusDeployed, mark{}), revision(3, common.StatusFailed, mark{}), revision(4, common.StatusDeployed, ours)}
	if got := h.good(ours); got != 2 {
		t.Errorf("revision %d", got)
	}
	if got := (history{revision(1, common.StatusFailed, mark{})}).good(ours); got != 0 {
		t.Errorf("a failed revision is good: %d", got)
	}
}

func TestSummary(t *testing.T) {
	now := &v1.Release{Name: "shop", Version: 3, Info: &v1.Info{}, Manifest: "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aHVudGVyMg==, b: c2FtZQ==, gone: eA==}\n---\nkind: ConfigMap\nmetadata: {name: old}\n"}
	next := &v1.Release{Name: "shop", Version: 4, Info: &v1.Info{}, Manifest: "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {b: c2FtZQ==, a: bmV3}\nstringData: {c: plain}\n---\nkind: ConfigMap\nmetadata: {name: c}\ndata: {x: \"```\"}\n"}
	want := "Helm release shop: revision 3 to revision 4; 3 of 3 objects change.\n\n" +
		"````diff\n--- ConfigMap c\n+++ ConfigMap c\n@@ -0,0 +1,5 @@\n+data:\n+  x: '```'\n+kind: ConfigMap\n+metadata:\n+  name: c\n" +
		"--- ConfigMap old\n+++ ConfigMap old\n@@ -1,3 +0,0 @@\n-kind: ConfigMap\n-metadata:\n-  name: old\n" +
		"--- Secret s\n+++ Secret s\n@@ -1,8 +1,9 @@\n apiVersion: v1\n data:\n-  a: (secret)\n+  a: (secret, another value)\n   b: (secret)\n-  gone: (secret)\n kind: Secret\n metadata:\n   name: s\n+stringData:\n+  c: (secret)\n````\n"
	if got := summary(now, next); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSecretsInListsAreHidden(t *testing.T) {
	for name, manifest := range map[string]string{
		"a list":                 "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: aHVudGVyMg==}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n",
		"a list in a list":       "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: aHVudGVyMg==}}, {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}]}\n",
		"a list of Secrets":      "apiVersion: v1\nkind: SecretList\nitems:\n- {metadata: {name: s}, data: {a: aHVudGVyMg==}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
		"a list by another name": "apiVersion: v1\nkind: Odd\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: aHVudGVyMg==}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := summary(nil, &v1.Release{Name: "shop", Version: 1, Info: &v1.Info{}, Manifest: manifest})
			if strings.Contains(got, "aHVudGVyMg") || !strings.Contains(got, "2 of 2 objects change") || !strings.Contains(got, "+  a: (secret)") {
				t.Error(got)
			}
		})
	}
}

func TestListsStayInside(t *testing.T) {
	place := Place{Namespace: "shop", Allows: func(ns string) bool { return ns == "shop" }}
	r := &v1.Release{Manifest: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: kube-system}}\n"}
	if err := inside(place, r); pipeline.Code(err) != "namespace_refused" {
		t.Error(err)
	}
}
