//go:build kube

package chart

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/kube"
)

var plane *kube.Plane

func TestMain(m *testing.M) { os.Exit(kube.Run(m, func(p *kube.Plane) { plane = p })) }

// namespaces makes those of the values; in the bot's own only restricted pods are admitted.
func namespaces(t *testing.T) {
	t.Helper()
	for name, level := range map[string]string{"shipmate": "restricted", "shop": "baseline", "shop-preview": "baseline"} {
		labels := map[string]string{"pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/enforce-version": "latest"}
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
		if _, err := plane.Client.CoreV1().Namespaces().Create(context.Background(), ns, metav1.CreateOptions{}); err != nil && !strings.Contains(err.Error(), "already exists") {
			t.Fatal(err)
		}
	}
}

// create sends every object to the API server, which checks every field.
func create(t *testing.T, all []unstructured.Unstructured, dryRun ...string) {
	t.Helper()
	client, err := dynamic.NewForConfig(plane.REST)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(plane.Client.Discovery()))
	sent := 0
	for _, o := range all {
		kind := o.GroupVersionKind()
		if kind.Group == "monitoring.coreos.com" {
			continue // its definitions are not installed here
		}
		m, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			t.Error(err)
			continue
		}
		_, err = client.Resource(m.Resource).Namespace(o.GetNamespace()).Create(context.Background(), &o, metav1.CreateOptions{DryRun: dryRun, FieldValidation: "Strict"})
		if err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
		sent++
	}
	if sent < 5 {
		t.Errorf("only %d objects were sent", sent)
	}
}

func TestTheServerTakesEverything(t *testing.T) {
	namespaces(t)
	for _, values := range []string{"small.yaml", "full.yaml", "trial.yaml"} {
		out, err := render(values, map[string]any{"autoscaling.metric": "Pods"})
		if err != nil {
			t.Fatal(err)
		}
		create(t, objects(t, out), metav1.DryRunAll)
	}
}

// TestInstalled installs the bot: its pods are admitted where only restricted
// ones are, and its account may do exactly what the golden file says.
func TestInstalled(t *testing.T) {
	namespaces(t)
	out, err := render("trial.yaml", map[string]any{"replicas": 2, "store.url": "s3://shipmate", "environments": []any{
		map[string]any{"namespace": "shop", "deploy": true, "jobs": true, "helm": true},
		map[string]any{"namespace": "shop-preview", "jobs": true},
	}})
	if err != nil {
		t.Fatal(pipeline.Message(err))
	}
	create(t, objects(t, out))
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		pods, err := plane.Client.CoreV1().Pods("shipmate").List(context.Background(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=shipmate"})
		if err != nil {
			t.Fatal(err)
		}
		if running := slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase != corev1.PodRunning }); len(running) == 3 {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			events, _ := plane.Client.CoreV1().Events("shipmate").List(context.Background(), metav1.ListOptions{})
			for _, e := range events.Items {
				t.Log(e.Reason, e.Message)
			}
			t.Fatalf("not 3 pods run: %d", len(pods.Items))
		}
	}
	for _, namespace := range []string{"shop", "shop-preview", "shipmate", "kube-system"} {
		golden(t, "can-i."+namespace+".golden", canI(t, namespace))
	}
}

// canI is "kubectl auth can-i --list" of the bot's account, without what every account may.
func canI(t *testing.T, namespace string) string {
	t.Helper()
	ctx := context.Background()
	token, err := plane.Client.CoreV1().ServiceAccounts("shipmate").CreateToken(ctx, "shipmate", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := rest.AnonymousClientConfig(plane.REST)
	cfg.BearerToken = token.Status.Token
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	review, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range review.Status.ResourceRules {
		if slices.Contains([]string{"authorization.k8s.io", "authentication.k8s.io", "certificates.k8s.io"}, r.APIGroups[0]) {
			continue
		}
		for _, resource := range r.Resources {
			verbs := slices.Clone(r.Verbs)
			slices.Sort(verbs)
			lines = append(lines, fmt.Sprintf("%-20s %-26s %s\n", r.APIGroups[0], resource, strings.Join(verbs, " ")))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
