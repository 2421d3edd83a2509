package kubernetes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
)

type m = map[string]any

func TestCheckRollout(t *testing.T) {
	for name, c := range map[string]struct {
		with m
		want string // "": nothing is wrong
	}{
		"rolling":                       {m{}, ""},
		"blue-green with a smoke step":  {m{"strategy": "blue-green", "smoke": m{"run": "curl $PREVIEW_URL", "timeout": "1m"}}, ""},
		"canary with all":               {m{"strategy": "canary", "steps": []any{m{"weight": 10, "pause": "5m"}, m{"weight": 100}}, "analysis": m{"uses": "http.check", "with": m{"url": "x"}}, "traffic": m{"http_route": "shop"}}, ""},
		"no objects":                    {m{"manifests": nil, "kustomize": nil}, "Say where the objects are, in one way"},
		"two places of objects":         {m{"kustomize": "x"}, "Say where the objects are, in one way"},
		"a smoke step of a canary":      {m{"strategy": "canary", "smoke": m{"run": "x"}}, "`smoke:` belongs to `strategy: blue-green`, and this one is canary."},
		"steps of blue-green":           {m{"strategy": "blue-green", "steps": []any{}}, "`steps:` belongs to `strategy: canary`, and this one is blue-green."},
		"traffic of rolling":            {m{"traffic": m{"ingress": "x"}}, "`traffic:` belongs to `strategy: canary`, and this one is rolling."},
		"a step that does nothing":      {m{"strategy": "blue-green", "smoke": m{}}, "`smoke:` is a step: give it either `run:` or `uses:`."},
		"a step that does two things":   {m{"strategy": "blue-green", "smoke": m{"run": "x", "uses": "y"}}, "`smoke:` is a step: give it either `run:` or `uses:`."},
		"a key that steps do not have":  {m{"strategy": "blue-green", "smoke": m{"runs": "x"}}, "`smoke:` has no key \"runs\". Did you mean \"run\"? It takes run, uses,"},
		"an expression in a script":     {m{"strategy": "canary", "analysis": m{"run": "echo ${{ inputs.x }}"}}, "`analysis: run:` takes no expressions"},
		"a timeout that is none":        {m{"strategy": "canary", "analysis": m{"run": "x", "timeout": "soon"}}, "The `timeout` of `analysis:` is wrong: \"soon\" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w."},
		"no steps":                      {m{"strategy": "canary", "steps": []any{}}, "`steps:` is empty."},
		"a step without a weight":       {m{"strategy": "canary", "steps": []any{m{"pause": "5m"}}}, "Step 1 of `steps:` needs a weight between 1 and 100"},
		"a weight of nothing":           {m{"strategy": "canary", "steps": []any{m{"weight": 0}}}, "Step 1 of `steps:` needs a weight between 1 and 100"},
		"more than all":                 {m{"strategy": "canary", "steps": []any{m{"weight": 101}}}, "Step 1 of `steps:` needs a weight between 1 and 100"},
		"all, by numbers of pods":       {m{"strategy": "canary", "steps": []any{m{"weight": 10}, m{"weight": 100}}}, "made by numbers of pods, and that goes up to 90; the last of `steps:` says 100."},
		"a step that is no mapping":     {m{"strategy": "canary", "steps": []any{10}}, "Step 1 of `steps:` needs a weight between 1 and 100"},
		"shares that do not grow":       {m{"strategy": "canary", "steps": []any{m{"weight": 50}, m{"weight": 50}}}, "Step 2 of `steps:` needs a weight between 1 and 100, larger than the one before"},
		"a pause that is none":          {m{"strategy": "canary", "steps": []any{m{"weight": 5, "pause": "long"}}}, "The `pause` of step 1 of `steps:` is wrong: \"long\" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w."},
		"a pause below nothing":         {m{"strategy": "canary", "steps": []any{m{"weight": 5, "pause": "-1m"}}}, "\"-1m\" is not a duration."},
		"a key that shares do not have": {m{"strategy": "canary", "steps": []any{m{"wait": "5m", "weight": 5}}}, "Step 1 of `steps:` has no key \"wait\""},
		"no kind of traffic":            {m{"strategy": "canary", "traffic": m{}}, "takes one of http_route and ingress"},
		"two kinds of traffic":          {m{"strategy": "canary", "traffic": m{"http_route": "a", "ingress": "b"}}, "`traffic:` takes one of http_route and ingress"},
		"an unknown kind of traffic":    {m{"strategy": "canary", "traffic": m{"http_routes": "a"}}, "takes one of http_route and ingress"},
		"traffic of no name":            {m{"strategy": "canary", "traffic": m{"ingress": ""}}, "`traffic:` takes one of http_route and ingress, with a name"},
		"a glob that leads out":         {m{"manifests": []any{"a.yaml", "../x"}}, "`manifests:` \"../x\" leads out of the repository. Write a path that begins at its root"},
		"a glob from the root":          {m{"manifests": []any{"/etc/*"}}, "`manifests:` \"/etc/*\" leads out of the repository."},
		"globs that are wrong in turn":  {m{"manifests": []any{"../x", ""}, "replicas": m{"shop": "many"}}, "such as 3. `manifests:` \"../x\" leads out of the repository. Write a path that begins at its root, such as deploy/prod. `manifests:` holds an empty path."},
		"a glob that is none":           {m{"manifests": []any{"a["}}, "`manifests:` \"a[\" is not a pattern: a [ needs its ]."},
		"a glob of nothing":             {m{"manifests": []any{""}}, "`manifests:` holds an empty path."},
		"a glob that is no text":        {m{"manifests": []any{m{"path": "x"}}}, "`manifests:` holds map[path:x], which is no text."},
		"no globs":                      {m{"manifests": []any{}}, "`manifests:` is empty."},
		"globs":                         {m{"manifests": []any{"./a.yaml", "${{ inputs.folder }}/*", "{a,b}/**"}}, ""},
		"a folder that leads out":       {m{"manifests": nil, "kustomize": "../x"}, "`kustomize:` \"../x\" leads out of the repository."},
		"no folder":                     {m{"manifests": nil, "kustomize": ""}, "`kustomize:` holds an empty path."},
		"a chart that leads out":        {m{"manifests": nil, "chart": m{"path": "/x"}}, "`chart: path:` \"/x\" leads out of the repository."},
		"replicas in words":             {m{"replicas": m{"shop": "many"}}, "`replicas:` says many for shop; write a number of pods, such as 3."},
		"replicas below nothing":        {m{"replicas": m{"shop": -1}}, "`replicas:` says -1 for shop"},
		"replicas by an expression":     {m{"replicas": m{"shop": "${{ inputs.pods }}"}}, ""},
		"replicas":                      {m{"replicas": m{"shop": 3}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			with := m{"manifests": []any{"a.yaml"}, "strategy": "rolling"}
			for k, v := range c.with {
				with[k] = v
				if v == nil {
					delete(with, k)
				}
			}
			err := checkRollout(with)
			if c.want == "" && err != nil || c.want != "" && (pipeline.Code(err) != "bad_param" || !strings.Contains(pipeline.Message(err), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestWeightsOf(t *testing.T) {
	got, err := weightsOf(m{})
	if err != nil || len(got) != 2 || got[0] != (weight{10, 5 * time.Minute}) || got[1] != (weight{50, 5 * time.Minute}) {
		t.Error(got, err)
	}
	got, err = weightsOf(m{"steps": []any{m{"weight": "25"}, m{"weight": 50.0, "pause": "1h"}}})
	if err != nil || len(got) != 2 || got[0] != (weight{25, 0}) || got[1] != (weight{50, time.Hour}) {
		t.Error(got, err)
	}
}

func TestShareOfPods(t *testing.T) {
	for _, c := range []struct{ n, percent, byPods, bySplit int64 }{
		{20, 20, 5, 4}, {20, 50, 20, 10}, {1, 1, 1, 1}, {10, 1, 1, 1}, {4, 75, 12, 3}, {20, 90, 180, 18}, {3, 34, 2, 2},
	} {
		if got := (podTraffic{}).pods(c.n, c.percent); got != c.byPods {
			t.Errorf("%d %% beside %d pods are %d pods, want %d", c.percent, c.n, got, c.byPods)
		}
		if got := sharePods(c.n, c.percent); got != c.bySplit {
			t.Errorf("%d %% of what %d pods take needs %d pods, want %d", c.percent, c.n, got, c.bySplit)
		}
	}
	for _, c := range []struct{ n, percent, want int64 }{{1, 10, 50}, {2, 10, 33}, {5, 10, 17}, {9, 10, 10}, {20, 20, 20}} {
		if got := (podTraffic{}).share(c.n, c.percent); got != c.want {
			t.Errorf("%d %% beside %d pods are %d %%, want %d", c.percent, c.n, got, c.want)
		}
	}
}

func TestTrouble(t *testing.T) {
	yes := true
	waiting := func(reason, message string) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "shop", Image: "shop:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}}
	}
	crashed := func(end corev1.ContainerStateTerminated) corev1.PodStatus {
		s := waiting("CrashLoopBackOff", "back-off")
		s.ContainerStatuses[0].RestartCount, s.ContainerStatuses[0].LastTerminationState.Terminated = 4, &end
		return s
	}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   string
	}{
		"nothing yet":                {corev1.PodStatus{}, ""},
		"it is being made":           {waiting("ContainerCreating", ""), ""},
		"an image that is not there": {waiting("ImagePullBackOff", "not found."), "cannot pull the image shop:1: ImagePullBackOff (not found)"},
		"an image that has no name":  {waiting("InvalidImageName", ""), "cannot pull the image shop:1: InvalidImageName"},
		"a Secret that is not there": {waiting("CreateContainerConfigError", `secret "db" not found`), `cannot start the container shop: CreateContainerConfigError (secret "db" not found)`},
		"it ends again and again":    {crashed(corev1.ContainerStateTerminated{ExitCode: 3, Message: "no DATABASE_URL\n"}), "starts shop again and again: exit code 3, no DATABASE_URL, 4 restarts"},
		"it needs too much memory":   {crashed(corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}), "starts shop again and again: it used more memory than its limit (OOMKilled), 4 restarts"},
		"it never said how it ended": {func() corev1.PodStatus {
			s := crashed(corev1.ContainerStateTerminated{})
			s.ContainerStatuses[0].LastTerminationState.Terminated = nil
			return s
		}(), "starts shop again and again: 4 restarts"},
		"it has ended":               {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "shop", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}}}, "has a container shop that ended: exit code 1"},
		"it has ended well":          {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "shop", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}}, ""},
		"it runs and is not ready":   {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "shop", Started: &yes, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}, "runs, but its container shop is not ready"},
		"what comes before does not": {corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{Name: "migrate", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2}}}}, ContainerStatuses: waiting("PodInitializing", "").ContainerStatuses}, "has a container migrate that ended: exit code 2"},
		"no node has room":           {corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/4 nodes are available: 4 Insufficient cpu."}}}, "finds no node: 0/4 nodes are available: 4 Insufficient cpu"},
		"it was driven out":          {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on memory."}, "failed: The node was low on memory"},
		"it failed and nobody says":  {corev1.PodStatus{Phase: corev1.PodFailed}, "failed: no reason was given"},
	} {
		if got := trouble(corev1.Pod{Status: c.status}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSentences(t *testing.T) {
	pod := func(name, reason string) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: reason}}
	}
	got := sentences([]corev1.Pod{pod("a", "Late"), pod("b", "Evicted"), pod("c", "Evicted"), pod("d", "Odd"), pod("e", "Rare"), {ObjectMeta: metav1.ObjectMeta{Name: "fine"}}})
	want := "2 pods, such as c: failed: Evicted. Pod a failed: Late. Pod d failed: Odd."
	if strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
	if len(sentences(nil)) != 0 {
		t.Error("no pods are in no trouble")
	}
}

// Whatever stands under "with:", it is refused with a sentence or can be worked with.
func FuzzParams(f *testing.F) {
	for _, seed := range []string{
		`{"manifests":["deploy/*.yaml"],"strategy":"canary","steps":[{"weight":10,"pause":"5m"}],"traffic":{"http_route":"shop"},"analysis":{"run":"true"}}`,
		`{"kustomize":"deploy/prod","strategy":"blue-green","smoke":{"uses":"http.check","with":{"url":"x"},"timeout":"1m"},"keep_old":"10m"}`,
		`{"chart":{"path":"c","values":["v.yaml"],"set":{"a":{"b":[1]}}},"replicas":{"shop":"3"},"images":{"shop":1}}`,
		`{"steps":{},"traffic":[],"smoke":7,"manifests":{},"replicas":[{}],"chart":"x"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var with map[string]any
		if json.Unmarshal([]byte(text), &with) != nil || with == nil {
			return
		}
		for _, uses := range Integration(Config{}).Runners {
			checked, err := uses.CheckWith(with)
			if err == nil {
				err = uses.Check(checked)
			}
			if err != nil {
				if said := pipeline.Message(err); !strings.HasSuffix(said, ".") || strings.HasPrefix(said, "Something went wrong") {
					t.Errorf("%s: %s", text, said)
				}
				continue
			}
			options(checked)
			for _, name := range []string{"smoke", "analysis"} {
				if _, err := childOf(checked, name); err != nil && uses.Name == "kubernetes.rollout" {
					t.Errorf("%s: it was checked, and yet %v", text, err)
				}
			}
		}
	})
}
