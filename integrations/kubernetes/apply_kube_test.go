//go:build kube

package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

const shop = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: %d
  progressDeadlineSeconds: 5
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "registry.example/shop:%s", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data: {version: "%s"}
`

func (r *room) version(n int, tag string) {
	r.files.put("deploy/shop.yaml", fmt.Sprintf(shop, n, tag, tag))
}

func manifests() map[string]any { return map[string]any{"manifests": []any{"deploy/*.yaml"}} }

func (r *room) image() string {
	r.t.Helper()
	d, err := plane.Client.AppsV1().Deployments(r.namespace).Get(r.t.Context(), "shop", metav1.GetOptions{})
	must(r.t, err)
	return strings.TrimPrefix(d.Spec.Template.Spec.Containers[0].Image, "registry.example/shop:")
}

func within10s(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestApplyWaitsUntilAllIsReady(t *testing.T) {
	r := newRoom(t)
	r.version(3, "v1")
	s := r.newStep(manifests())
	res, err := apply{r.config()}.Run(within10s(t), s.StepContext)
	must(t, err)
	if !res.Done || res.Message != "3 objects are ready in "+r.namespace+" of test." {
		t.Errorf("%+v", res)
	}
	if !strings.Contains(res.Summary, "| Deployment shop | 3/3 pods |") {
		t.Error(res.Summary)
	}
	d, err := plane.Client.AppsV1().Deployments(r.namespace).Get(t.Context(), "shop", metav1.GetOptions{})
	must(t, err)
	if d.Status.ReadyReplicas != 3 {
		t.Error("not ready:", d.Status)
	}
	t.Log(s.log.String())
}

// A controller writes to what was made before we have finished with it.
func TestWhatWasMadeIsSaidToBe(t *testing.T) {
	r := newRoom(t)
	r.files.put("deploy/one.yaml", settings("one", "1"))
	r.clusters = r.connect("deployer", func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/configmaps") {
				_, touched := plane.Client.CoreV1().ConfigMaps(r.namespace).Patch(t.Context(), "one", types.MergePatchType, []byte(`{"metadata":{"annotations":{"seen":"yes"}}}`), metav1.PatchOptions{})
				if touched != nil && !r.gone(touched) { // the record is made before
					t.Error(touched)
				}
			}
			return resp, err
		})
	})
	s := r.newStep(manifests())
	must(t, second(apply{r.config()}.Run(within10s(t), s.StepContext)))
	if got := s.log.String(); got != "ConfigMap one: created\n" {
		t.Error(got)
	}
}

func TestApplyAgainChangesNothing(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	s := r.newStep(manifests())
	must(t, second(apply{r.config()}.Run(within10s(t), s.StepContext)))
	s.log.Reset()
	must(t, second(apply{r.config()}.Run(within10s(t), s.again().StepContext)))
	if strings.Contains(s.log.String(), "changed\n") && !strings.Contains(s.log.String(), "unchanged") || strings.Contains(s.log.String(), "created") {
		t.Error(s.log.String())
	}
}

// Stopped in the middle, in flight or between two calls, nothing is half applied.
func TestAnApplyThatIsStopped(t *testing.T) {
	for name, inFlight := range map[string]bool{"in flight": true, "between calls": false} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.version(3, "v1")
			must(t, second(apply{r.config()}.Run(within10s(t), r.newStep(manifests()).StepContext)))
			r.version(3, "never")
			s := r.newStep(manifests())
			ctx, cancel := context.WithCancelCause(within10s(t))
			defer cancel(nil)
			cause := errors.New("somebody stopped it")
			if !inFlight {
				cause = pipeline.ErrHandedOver
			}
			s.onSay = func(string) { cancel(cause) }
			res, err := apply{r.config()}.Run(ctx, s.StepContext)
			if inFlight {
				must(t, err)
				if res.State != pipeline.Cancelled || res.Message != "It was stopped. What was there before is back and ready." {
					t.Errorf("%+v", res)
				}
			} else {
				must(t, apply{r.config()}.Cancel(within10s(t), s.again().StepContext))
			}
			if got := r.image() + " " + r.version1(); got != "v1 v1" {
				t.Error("afterwards there is", got)
			}
		})
	}
}

func TestABadImageIsExplainedAndRevertBringsTheOldBack(t *testing.T) {
	r := newRoom(t)
	r.version(3, "v1")
	must(t, second(apply{r.config()}.Run(within10s(t), r.newStep(manifests()).StepContext)))
	r.version(3, "bad")
	s := r.newStep(manifests())
	var said []string
	s.onSay = func(m string) { said = append(said, m) }
	_, err := apply{r.config()}.Run(within10s(t), s.StepContext)
	if pipeline.Code(err) != "not_ready" || !strings.Contains(pipeline.Message(err), "cannot pull the image registry.example/shop:bad: ImagePullBackOff") {
		t.Errorf("%s: %s", pipeline.Code(err), pipeline.Message(err))
	}
	t.Log(pipeline.Message(err))
	if last := said[len(said)-1]; !strings.Contains(last, "Deployment shop: 0/3 new pods ready, Pod shop-") || !strings.Contains(last, " cannot pull the image registry.example/shop:bad: ImagePullBackOff") {
		t.Error("nobody was told while it was given time:", said)
	}
	if !(apply{}).CanRevert(s.StepContext) {
		t.Fatal("it cannot be reverted")
	}
	must(t, second(apply{r.config()}.Revert(within10s(t), s.again().StepContext)))
	if got := r.image(); got != "v1" {
		t.Errorf("after the revert %s runs", got)
	}
	cm, err := plane.Client.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "shop", metav1.GetOptions{})
	must(t, err)
	if cm.Data["version"] != "v1" {
		t.Error("the ConfigMap was not brought back:", cm.Data)
	}
}

func TestApplyRendersAChart(t *testing.T) {
	r := newRoom(t)
	r.files.put("deploy/chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n")
	r.files.put("deploy/chart/values.yaml", "greeting: hello\nwho: nobody\n")
	r.files.put("deploy/prod.yaml", "who: prod\n")
	r.files.put("deploy/chart/templates/greeting.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-greeting}\ndata: {text: \"{{ .Values.greeting }} {{ .Values.who }} in {{ .Release.Namespace }}\"}\n")
	with := map[string]any{"chart": map[string]any{"path": "deploy/chart", "values": []any{"deploy/prod.yaml"}, "set": map[string]any{"greeting": "hi"}}}
	must(t, second(apply{r.config()}.Run(within10s(t), r.newStep(with).StepContext)))
	cm, err := plane.Client.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "shop-greeting", metav1.GetOptions{})
	must(t, err)
	if want := "hi prod in " + r.namespace; cm.Data["text"] != want {
		t.Errorf("%q, want %q", cm.Data["text"], want)
	}
}
