package job

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

var update = flag.Bool("update", false, "rewrite testdata")

func aCall(step pipeline.Step) script.Call {
	return script.Call{StepContext: &pipeline.StepContext{
		Run: &pipeline.Run{Request: pipeline.Request{ID: "r-1", Repo: pipeline.Repo{ID: 7, Owner: "octo", Name: "shop"}}}, Step: step, Attempt: 1,
	}}
}

func TestTheSpecOfAJob(t *testing.T) {
	cfg := Config{
		Cluster: "prod", Namespace: "jobs", Image: "registry.example/shipmate:1", Requests: Amounts{CPU: "100m", Memory: "256Mi"}, Limits: Amounts{Memory: "1Gi"},
		Places: []Place{{Repo: "octo/*", ServiceAccount: "deployer", NodeSelector: map[string]string{"pool": "ci"}, Tolerations: []Toleration{{Key: "ci", Operator: "Exists"}}}},
	}.withDefaults()
	step := pipeline.Step{
		Name: "build", Run: "echo secret-script", Image: "alpine:3", Environment: map[string]string{"A": "secret-value"}, Secrets: []string{"TOKEN"},
		Resources: pipeline.Resources{Memory: "2Gi"},
	}
	c := aCall(step)
	at, err := cfg.where(pipeline.RuleRepo{Repo: c.Run.Repo}, c.Run.EnvironmentName(), step)
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(cfg.spec(c, at, hash("token"), 20*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/job.yaml"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("not %s:\n%s", file, got)
	}
	if bytes.Contains(got, []byte("secret-")) || bytes.Contains(got, []byte("TOKEN")) {
		t.Errorf("the spec holds what only the pod may know:\n%s", got)
	}
}

func TestNamesOfJobs(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct {
		step string
		n    int
		undo bool
		want string
	}{
		{"build", 1, false, "sm-r-1-build-1"},
		{"build", 2, false, "sm-r-1-build-2"},
		{"build", 1, true, "sm-r-1-build-1-undo"},
		{"Build", 1, false, "sm-r-1-build-"},
		{"build it", 1, false, "sm-r-1-build-it-"},
		{"build.it", 1, false, "sm-r-1-build-it-"},
		{"--", 1, false, "sm-r-1--"},
		{strings.Repeat("long", 30), 1, true, "sm-r-1-longlong"},
		{strings.Repeat("long", 31), 1, true, "sm-r-1-longlong"},
	} {
		call := aCall(pipeline.Step{Name: c.step})
		call.Attempt, call.Undo = c.n, c.undo
		name := jobName(call)
		if !strings.HasPrefix(name, c.want) || len(name) > maxName || !dnsLabel.MatchString(name) || strings.HasSuffix(c.want, "1") && name != c.want {
			t.Errorf("%q becomes %s (%d bytes), want %s", c.step, name, len(name), c.want)
		}
		if other, twice := seen[name]; twice {
			t.Errorf("%q and %q are both %s", c.step, other, name)
		}
		seen[name] = c.step
	}
}

func TestWhereAScriptRuns(t *testing.T) {
	cfg := Config{
		Namespace: "jobs", DefaultImage: "default:1", Images: []string{"alpine:*", "registry.example/**"},
		Limits: Amounts{CPU: "1", Memory: "512Mi"}, Requests: Amounts{CPU: "100m"}, Max: Amounts{Memory: "4Gi"},
		Places: []Place{
			{Repo: "octo/shop", Environments: []string{"prod", "prod-*"}, Namespace: "jobs-prod", ServiceAccount: "deployer"},
			{Repo: "octo/*", Namespace: "jobs-octo"},
		},
	}
	for name, c := range map[string]struct {
		repo, env string
		step      pipeline.Step
		code      string
		want      string // namespace, account, image, memory, cpu
	}{
		"the first place that fits":      {"shop", "prod-eu", pipeline.Step{}, "", "jobs-prod deployer default:1 512Mi 1"},
		"the next one":                   {"shop", "staging", pipeline.Step{}, "", "jobs-octo  default:1 512Mi 1"},
		"a run without an environment":   {"other", "", pipeline.Step{Image: "alpine:3"}, "", "jobs-octo  alpine:3 512Mi 1"},
		"what a step asks for":           {"shop", "", pipeline.Step{Resources: pipeline.Resources{Memory: "4Gi", CPU: "8"}}, "", "jobs-octo  default:1 4Gi 8"},
		"more than is allowed":           {"shop", "", pipeline.Step{Resources: pipeline.Resources{Memory: "5Gi"}}, "resources_refused", ""},
		"nonsense":                       {"shop", "", pipeline.Step{Resources: pipeline.Resources{Memory: "much"}}, "invalid_resources", ""},
		"nothing":                        {"shop", "", pipeline.Step{Resources: pipeline.Resources{CPU: "0"}}, "invalid_resources", ""},
		"an image that is not allowed":   {"shop", "", pipeline.Step{Image: "evil/miner"}, "image_refused", ""},
		"one that looks like an allowed": {"shop", "", pipeline.Step{Image: "evil/registry.example/x"}, "image_refused", ""},
		"one below what is allowed":      {"shop", "", pipeline.Step{Image: "registry.example/a/b@sha256:00"}, "", "jobs-octo  registry.example/a/b@sha256:00 512Mi 1"},
	} {
		r := &pipeline.Run{Request: pipeline.Request{Repo: pipeline.Repo{Owner: "octo", Name: c.repo}}}
		if c.env != "" {
			r.Environment = &pipeline.Environment{Name: c.env}
		}
		at, err := cfg.where(pipeline.RuleRepo{Repo: r.Repo}, r.EnvironmentName(), c.step)
		if pipeline.Code(err) != c.code {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join([]string{at.namespace, at.serviceAccount, at.image, at.limits.Memory().String(), at.limits.Cpu().String()}, " "); err == nil && got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	means := map[string]int64{"octo/shop": 42}
	for id, want := range map[int64]string{42: "jobs-prod", 43: ""} { // never the next place
		at, err := cfg.where(pipeline.RuleRepo{Repo: pipeline.Repo{ID: id, Owner: "octo", Name: "shop"}, Means: means}, "prod", pipeline.Step{})
		if at.namespace != want || want == "" && pipeline.Code(err) != "repository_replaced" {
			t.Errorf("%d: %q, %v", id, at.namespace, err)
		}
	}
	cfg.DefaultImage = ""
	if _, err := cfg.where(pipeline.RuleRepo{}, "", pipeline.Step{}); pipeline.Code(err) != "no_image" {
		t.Error(err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	good := Config{Cluster: "prod", Namespace: "jobs", Image: "shipmate:1"}
	if err := good.Check([]string{"prod"}); err != nil {
		t.Error(err)
	}
	for setting, change := range map[string]func(*Config){
		"cluster":                   func(c *Config) { c.Cluster = "pord" },
		"namespace":                 func(c *Config) { c.Namespace = "" },
		"image":                     func(c *Config) { c.Image = "" },
		"default_image":             func(c *Config) { c.DefaultImage = "-x" },
		"images":                    func(c *Config) { c.Images = []string{"["} },
		"user":                      func(c *Config) { c.User = -1 },
		"max.memory":                func(c *Config) { c.Max.Memory = "lots" },
		"linger":                    func(c *Config) { c.Linger = -1 },
		"places[0].repo":            func(c *Config) { c.Places = []Place{{}} },
		"places[0].service_account": func(c *Config) { c.Places = []Place{{Repo: "**", ServiceAccount: "No"}} },
	} {
		c := good
		change(&c)
		if err := c.Check([]string{"prod"}); err == nil || !strings.Contains(err.Error(), "kubernetes.jobs."+setting) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func waitingFor(reason, message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
		Name: container, Image: "alpine:3", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	}}}
}

func TestWhatAPodsStateMeans(t *testing.T) {
	shim := func(s corev1.PodStatus) corev1.PodStatus {
		s.ContainerStatuses[0].Name, s.ContainerStatuses[0].Image = "shim", "shipmate:1"
		s.InitContainerStatuses, s.ContainerStatuses = s.ContainerStatuses, nil
		return s
	}
	startError := waitingFor("", "")
	startError.Phase = corev1.PodFailed
	startError.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "StartError", Message: "exec format error", ExitCode: 128}}
	running := waitingFor("", "")
	running.Phase = corev1.PodRunning
	running.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   string // ready, or what is said
	}{
		"it is being made":         {waitingFor("ContainerCreating", ""), ""},
		"it runs":                  {running, "ready"},
		"no node":                  {corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available."}}}, "waits: No node of the cluster takes the pod yet: 0/3 nodes are available."},
		"its image is not there":   {waitingFor("ImagePullBackOff", "not found"), "cannot: The image alpine:3 cannot be pulled (ImagePullBackOff): not found. Check its name and tag, and that the cluster may pull it."},
		"our image is not there":   {shim(waitingFor("ErrImagePull", "denied")), "cannot: The image of shipmate itself shipmate:1 cannot be pulled (ErrImagePull): denied. The operator sets it under `kubernetes: {jobs: {image: ...}}`."},
		"no image has such a name": {waitingFor("InvalidImageName", "bad"), "failed: The image alpine:3 cannot be pulled (InvalidImageName): bad. Check its name and tag, and that the cluster may pull it."},
		"a container refused":      {waitingFor("CreateContainerConfigError", "no"), "cannot: The container of the image alpine:3 could not be made (CreateContainerConfigError): no."},
		"for another machine":      {startError, "failed: The container of the image alpine:3 could not be started: exec format error."},
		"evicted before it began":  {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}, "ended: its pod p was evicted (The node was low on resource: memory)"},
	} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: c.status}
		s, got := sight(p, "shipmate:1"), ""
		switch {
		case s.failed != nil:
			got = "failed: " + pipeline.Message(s.failed)
		case s.ended:
			got = "ended: " + s.why
		case s.ready:
			got = "ready"
		case s.cannot != nil:
			got = "cannot: " + pipeline.Message(s.cannot)
		case s.waits != "":
			got = "waits: " + s.waits
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

func TestHowAPodWentIsSaid(t *testing.T) {
	now := metav1.Now()
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{NodeName: "n1"}}
		change(p)
		return p
	}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		job  bool
		want string
	}{
		"nothing is left": {nil, false, "its Job was deleted"},
		"the Job is left": {nil, true, "its pod was deleted"},
		"evicted":         {pod(func(p *corev1.Pod) { p.Status.Reason, p.Status.Message = "Evicted", "low on memory. " }), true, "its pod p was evicted on the node n1 (low on memory)"},
		"preempted": {pod(func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "PreemptionByScheduler", Message: "for a better one"}}
		}), true, "Kubernetes took its pod p on the node n1 away: PreemptionByScheduler (for a better one)"},
		"the node is shutting": {pod(func(p *corev1.Pod) {
			p.Status.Reason, p.Status.Message = "Terminated", "Pod was terminated in response to imminent node shutdown."
		}), true, "its pod p on the node n1 failed: Terminated (Pod was terminated in response to imminent node shutdown)"},
		"deleted":      {pod(func(p *corev1.Pod) { p.DeletionTimestamp = &now }), true, "its pod p on the node n1 was deleted"},
		"with its Job": {pod(func(p *corev1.Pod) { p.DeletionTimestamp = &now }), false, "its Job was deleted, and with it its pod p"},
		"the node is away": {pod(func(p *corev1.Pod) {
			p.DeletionTimestamp = &now
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "NodeStatusUnknown"}}
		}), true, "its pod p was deleted, and the node n1 does not answer"},
		"killed": {pod(func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error"}}}}
		}), true, "the container of its pod p on the node n1 ended with code 137: Error"},
	} {
		if got := whyEnded(c.pod, c.job); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Where the kernel kills a whole container there is no shim left to say so.
func TestAPodWithoutALastWord(t *testing.T) {
	ended := func(reason string, code int32) *corev1.Pod {
		p := &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{
			Name: container, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code, Message: "no JSON"}},
		}}}}
		p.Spec.Containers = []corev1.Container{{Name: container, Image: "alpine:3", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}}}}
		return p
	}
	p := ended("OOMKilled", 137)
	if _, told := lastWord(p); told {
		t.Error("nonsense was taken for a last word")
	}
	e, known := judged(p)
	res := (&work{last: p}).words().Result(aCall(pipeline.Step{Name: "build"}), e, script.Told{})
	if !known || res.Code != "out_of_memory" || !strings.Contains(res.Message, "its limit of 64Mi. Raise it with `resources: {memory: ...}`") {
		t.Error(known, res.Code, res.Message)
	}
	if _, known := judged(ended("Error", 137)); known {
		t.Error("a container that was killed is taken for one whose end is known")
	}
}

// A replica with an older or newer key beside the one a pod's pass was made
// with opens its shim; one without it does not, and nothing stored does.
func TestPassOfAPod(t *testing.T) {
	older, newer, other := pipeline.NewSecret("older"), pipeline.NewSecret("newer"), pipeline.NewSecret("other")
	p := newPass(older)
	token := p.token([]pipeline.Secret{newer, older})
	if hash(token) != p.Hash || token == p.Salt || token == p.Hash {
		t.Errorf("%+v opens with %q", p, token)
	}
	if got := p.token([]pipeline.Secret{other}); got != "" {
		t.Errorf("another key makes %q", got)
	}
	if newPass(older) == p {
		t.Error("two pods have one pass")
	}
}

func TestWhyThereIsNoPod(t *testing.T) {
	w := &work{cp: checkpoint{Job: "sm-1"}, at: cluster.Target{Cluster: &cluster.Cluster{Name: "eu"}, Namespace: "jobs"}}
	for what, c := range map[string]struct {
		message string
		code    string
		never   bool
	}{
		"others use it up":    {`Error creating: pods "sm-1-" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=500m, used: pods=4,requests.cpu=900m, limited: pods=5,requests.cpu=1`, "quota_exceeded", false},
		"more than there is":  {`Error creating: pods "sm-1-" is forbidden: exceeded quota: q, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi`, "quota_exceeded", true},
		"a quota asks for it": {`Error creating: pods "sm-1-" is forbidden: failed quota: q: must specify limits.cpu for: script`, "refused_by_policy", true},
		"pod security":        {`Error creating: pods "sm-1-" is forbidden: violates PodSecurity "restricted:latest": seccompProfile`, "refused_by_policy", true},
		"a webhook":           {`Error creating: admission webhook "validate.kyverno.svc-fail" denied the request: no`, "refused_by_policy", true},
		"no service account":  {`Error creating: pods "sm-1-" is forbidden: error looking up service account jobs/default: serviceaccount "default" not found`, "not_started", false},
		"a webhook is away":   {`Error creating: Internal error occurred: failed calling webhook "x": connection refused`, "not_started", false},
	} {
		no := w.denial(c.message)
		if no.why.Code != c.code || no.never != c.never || !strings.Contains(no.why.Message, "sm-1") || strings.Contains(no.why.Message, "Error creating") {
			t.Errorf("%s: %+v %v", what, no.why, no.never)
		}
	}
}
