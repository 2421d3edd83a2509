//go:build kube

package kubernetes

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// Somebody changes what a canary stands beside, in its pause.
func TestWhatOthersChangedInAPauseIsSaid(t *testing.T) {
	const (
		image   = `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"registry.example/shop:hand"}]`
		scale   = `[{"op":"replace","path":"/spec/replicas","value":4}]`
		refused = "Others manage fields of Deployment shop that the manifest sets too: "
		ends    = "What ran before runs, with all the traffic. Others had changed what it brought back: "
	)
	for name, c := range map[string]struct {
		patch, by string
		words     []string
		serving   map[string]int
	}{
		"an image": {image, "kubectl-set", []string{refused + `spec.template.spec.containers[name="shop"].image (set by kubectl-set).`,
			ends + `spec.template.spec.containers[name="shop"].image of Deployment shop (set by kubectl-set) was overwritten.`}, map[string]int{"v1": 2}},
		"a number of pods": {scale, "kubectl", []string{refused + "spec.replicas (set by kubectl).", ends + "spec.replicas of Deployment shop (set by kubectl) was kept."}, map[string]int{"v1": 4}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			r.mustRoll(with2("rolling", nil))
			r.version(2, "v2")
			with := with2("canary", map[string]any{"steps": []any{share(50, "1s")}})
			s := r.newStep(with)
			res, err := rollout{r.config()}.Run(within10s(t), s.StepContext)
			must(t, err)
			if res.Done {
				t.Fatalf("%+v", res)
			}
			r.edit("shop", c.patch, c.by)
			res, err = r.roll(s.again())
			must(t, err)
			for _, words := range c.words {
				if res.State != pipeline.Failed || !strings.Contains(res.Message, words) {
					t.Errorf("without %q:\n%+v", words, res)
				}
			}
			if !strings.HasSuffix(res.Message, c.words[1]) || !strings.Contains(s.log.String(), "(set by "+c.by+") was ") {
				t.Errorf("%s\n%s", res.Message, s.log)
			}
			r.expect(c.serving)
		})
	}
}
