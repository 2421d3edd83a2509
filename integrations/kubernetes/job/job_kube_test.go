//go:build kube

package job

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
)

func TestAScriptRunsInAPod(t *testing.T) {
	s := newWorld(t)
	s.tree["deploy/run.sh"] = "echo from the commit $SHIPMATE_SHORT_SHA\n"
	c := s.step(`cat README; sh deploy/run.sh; cat SHA; echo
echo "token is $TOKEN, greeting is $GREETING, user is $(id -u)"
echo version=1.2 >> $SHIPMATE_OUTPUT
echo "**done**" >> $SHIPMATE_SUMMARY
echo "README:1: warning: too short" >> $SHIPMATE_ANNOTATIONS
env | sort`)
	c.Step.Environment = map[string]string{"GREETING": "hi"}
	c.Step.Secrets = []string{"TOKEN"}
	c.Secrets = map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret("hunter-22-secret")}
	saw := ""
	save := c.Save
	c.Save = func(ctx context.Context, cp json.RawMessage) error {
		list, err := plane.Client.BatchV1().Jobs(s.namespace).List(ctx, metav1.ListOptions{})
		b, merr := json.Marshal([]any{list.Items, s.pods()})
		saw = string(b)
		return errors.Join(err, merr, save(ctx, cp))
	}
	r := s.bot()
	res := c.run(r)
	c.want(res, pipeline.Succeeded, "", "")
	for _, want := range []string{"hello\n", "from the commit 0123456\n", testSHA + "\n", "token is hunter-22-secret, greeting is hi, user is 65532\n", "SHIPMATE_RUN=r-1\n", "CI=true\n"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("%q is not in the output:\n%s", want, c.log)
		}
	}
	if strings.Contains(c.log.String(), "KUBERNETES_") {
		t.Errorf("the script sees what Kubernetes added:\n%s", c.log)
	}
	if res.Outputs["version"] != "1.2" || res.Summary != "**done**\n" || len(res.Annotations) != 1 {
		t.Error(res.Outputs, res.Summary, res.Annotations)
	}
	var cp checkpoint
	_ = json.Unmarshal(res.Checkpoint, &cp)
	for _, secret := range []string{"hunter-22", cp.Pass.token(s.keys), "greeting", "SHIPMATE_"} {
		if saw == "" || secret == "" || strings.Contains(saw, secret) {
			t.Errorf("%q is in the spec of Job or pod: %s", secret, saw)
		}
		if strings.Contains(string(res.Checkpoint), secret) {
			t.Errorf("%q is in the checkpoint: %s", secret, res.Checkpoint)
		}
	}
	if err := r.Forget("r-1", "build", 1, c.Fence); err != nil {
		t.Fatal(err)
	}
	s.until("Job and pod are gone", func() bool { return s.jobs() == 0 && len(s.pods()) == 0 })
}

func TestHowAScriptMayEnd(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		change  func(*pipeline.Step)
		state   pipeline.State
		code    string
		message string
	}{
		"it fails":             {"exit 3", nil, pipeline.Failed, "script_failed", "exited with code 3."},
		"a command is missing": {"nosuchthing", nil, pipeline.Failed, "script_failed", "(a command was not found)"},
		"no such interpreter":  {"#!/bin/perl\n1", nil, pipeline.Failed, "script_not_started", "does not exist in the image docker.io/library/busybox:1"},
		"it kills itself":      {"kill -SEGV $$", nil, pipeline.Failed, "script_killed", "SIGSEGV"},
		"it uses too much memory": {"x=x; while true; do x=$x$x; done", func(s *pipeline.Step) { s.Resources.Memory = "48Mi" }, pipeline.Failed, "out_of_memory",
			"more memory than its limit of 48Mi"},
		"no such image":       {"true", func(s *pipeline.Step) { s.Image = "registry.invalid/nothing:1" }, pipeline.Failed, "image_pull", "registry.invalid/nothing:1 cannot be pulled"},
		"a secret is put out": {"echo v=$T >> $SHIPMATE_OUTPUT", func(s *pipeline.Step) { s.Secrets = []string{"T"} }, pipeline.Failed, "invalid_output", "holds a secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t)
			step := s.step(c.script, func(st *pipeline.Step) {
				if c.change != nil {
					c.change(st)
				}
			})
			step.Secrets = map[string]pipeline.Secret{"T": pipeline.NewSecret("hunter-22-secret")}
			step.want(step.run(s.bot()), c.state, c.code, c.message)
		})
	}
}

func TestAStepThatIsStopped(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		state pipeline.State
		code  string
	}{
		"cancelled": {errors.New("cancelled"), pipeline.Cancelled, "cancelled"},
		"too late":  {errors.New("timeout"), pipeline.Failed, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t)
			step := s.step(`trap 'echo told; exit 1' TERM; echo begin; while true; do sleep 0.1; done`)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { step.log.await("begin"); cancel(c.cause) }()
			res, err := s.bot().Run(ctx, step.StepContext)
			if err != nil {
				t.Fatal(err)
			}
			step.want(res, c.state, c.code, "was stopped")
			if len(s.pods()) != 0 || s.jobs() != 0 {
				t.Error("cancelled is not gone")
			}
			if !strings.Contains(step.log.String(), "told") {
				t.Errorf("the script was not asked to end, or its last words are lost:\n%s", step.log)
			}
		})
	}
}

func TestAStepIsStoppedBeforeItBegins(t *testing.T) {
	s := newWorld(t)
	s.cfg.Places[0].NodeSelector = map[string]string{"node": "nowhere"}
	step := s.step("echo begin")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := s.bot()
	res, err := r.Run(ctx, step.StepContext)
	if err != nil || res.Done || !strings.Contains(res.Message, "No node of the cluster takes the pod yet") {
		t.Fatal(res, err)
	}
	step.Checkpoint = res.Checkpoint
	timer := time.AfterFunc(time.Second, func() { cancel(errors.New("cancelled")) })
	defer timer.Stop()
	res, err = r.Run(ctx, step.StepContext)
	if err != nil {
		t.Fatal(err)
	}
	step.want(res, pipeline.Cancelled, "cancelled", "was stopped")
	if s.jobs() != 0 {
		t.Error("the Job is still there")
	}
	// Nobody holds it, and nobody has saved that it is there.
	step = s.step("echo begin")
	if res, err := r.Run(t.Context(), step.StepContext); err != nil || res.Done || s.jobs() != 1 {
		t.Fatal(res, err)
	}
	if err := s.bot().Cancel(t.Context(), step.StepContext); err != nil || s.jobs() != 0 {
		t.Error(err, s.jobs())
	}
}

func TestAStepThatFindsNoRoomGivesUp(t *testing.T) {
	s := newWorld(t)
	s.cfg.Places[0].NodeSelector = map[string]string{"node": "nowhere"}
	s.cfg.StartDeadline = 7 * time.Second
	step := s.step("echo begin")
	step.want(step.run(s.bot()), pipeline.Failed, "not_started", "No node of the cluster takes the pod yet")
}

func TestUndo(t *testing.T) {
	s := newWorld(t)
	step := s.step("echo done", func(st *pipeline.Step) { st.Undo = "echo undone $SHIPMATE_OUTPUT_BUILD_V" })
	step.Run.Step("build").Outputs = map[string]string{"v": "7"}
	r := s.bot()
	step.want(step.run(r), pipeline.Succeeded, "", "")
	undo := step.next()
	undo.log = newLog()
	undo.Log = undo.log
	res, err := r.Revert(t.Context(), undo.StepContext)
	if err != nil || res.State != pipeline.Succeeded || undo.log.String() != "undone 7\n" {
		t.Fatal(res, err, undo.log)
	}
}

func TestArtifactsGoFromStepToStep(t *testing.T) {
	s := newWorld(t)
	r := s.bot()
	build := s.step("mkdir -p dist/lib; echo app > dist/app; echo lib > dist/lib/a; ln -s /etc/passwd dist/link; chmod +x dist/app", func(st *pipeline.Step) { st.Artifacts = []string{"dist"} })
	build.want(build.run(r), pipeline.Succeeded, "", "")
	deploy := s.step("cd dist; find . -type f -o -type l 2>/dev/null || ls -R; cat app lib/a; test -x app", func(st *pipeline.Step) { st.Name, st.Needs = "deploy", []string{"build"} })
	deploy.Run.Pipeline.Steps = []pipeline.Step{build.Step, deploy.Step}
	deploy.Run.Steps = []pipeline.StepRun{{Name: "build", State: pipeline.Succeeded}, {Name: "deploy"}}
	deploy.want(deploy.run(r), pipeline.Succeeded, "", "")
	if got := deploy.log.String(); !strings.Contains(got, "app\nlib\n") || strings.Contains(got, "link") {
		t.Error(got)
	}
	none := s.step("true", func(st *pipeline.Step) { st.Name, st.Artifacts = "none", []string{"*.jar"} })
	none.want(none.run(r), pipeline.Failed, "missing_artifact", `"*.jar"`)
}

// Files may have names and modes that nobody thought of.
func TestFilesThatAreOdd(t *testing.T) {
	s := newWorld(t)
	s.tree["dist/a\\b"], s.tree["caf\xe9/x"] = "slash\n", "latin\n"
	r := s.bot()
	build := s.step(`cat dist/a\\b caf*/x; mkdir closed; chmod 0 closed`, func(st *pipeline.Step) { st.Artifacts = []string{"dist"} })
	build.want(build.run(r), pipeline.Succeeded, "", "")
	if got := build.log.String(); got != "slash\nlatin\n" {
		t.Error(got)
	}
	closed := s.step("mkdir closed; chmod 0 closed", func(st *pipeline.Step) { st.Name, st.Artifacts = "closed", []string{"**/*.xml"} })
	closed.want(closed.run(r), pipeline.Failed, "unreadable_artifact", `"closed" cannot be read (permission denied)`)

	file := s.step("rm -rf dist; echo x > dist", func(st *pipeline.Step) { st.Name, st.Artifacts = "file", []string{"dist"} })
	file.want(file.run(r), pipeline.Succeeded, "", "")
	deploy := s.step("true", func(st *pipeline.Step) { st.Name, st.Needs = "deploy", []string{"file"} })
	deploy.Run.Pipeline.Steps = []pipeline.Step{file.Step, deploy.Step}
	deploy.Run.Steps = []pipeline.StepRun{{Name: "file", State: pipeline.Succeeded}, {Name: "deploy"}}
	deploy.want(deploy.run(r), pipeline.Failed, "order_refused", "directory not empty")
}

func TestAServiceAccountOfItsOwn(t *testing.T) {
	s := newWorld(t)
	s.cfg.Places = []Place{
		{Repo: "octo/*", Environments: []string{"prod"}, ServiceAccount: "deployer", NodeSelector: map[string]string{"node": "real"}},
		{Repo: "**", NodeSelector: map[string]string{"node": "real"}},
	}
	const look = `test -e /var/run/secrets/kubernetes.io/serviceaccount/token && echo token; env | grep -c KUBERNETES_SERVICE_HOST`
	plain := s.step("(" + look + ") || true")
	plain.want(plain.run(s.bot()), pipeline.Succeeded, "", "")
	prod := s.step("(" + look + ") || true")
	prod.Run.ID, prod.Run.Environment = "r-2", &pipeline.Environment{Name: "prod"}
	prod.want(prod.run(s.bot()), pipeline.Succeeded, "", "")
	if plain.log.String() != "0\n" || prod.log.String() != "token\n1\n" {
		t.Error(plain.log, prod.log)
	}
}
