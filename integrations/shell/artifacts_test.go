package shell

import (
	"strings"
	"testing"

	"gocloud.dev/blob/memblob"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
)

func TestArtifactsGoFromStepToStep(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	keep := func(c *Config) { c.Artifacts = &artifact.Store{Bucket: bucket} }
	build := newBench(t, `mkdir -p dist; echo app > dist/app; chmod +x dist/app; ln -s /etc/passwd dist/link`, keep)
	build.step.Step.Artifacts = []string{"dist"}
	build.want(build.run(), pipeline.Succeeded, "")

	deploy := newBench(t, `ls dist; cat dist/app README; test -x dist/app`, keep)
	deploy.step.Step.Name, deploy.step.Step.Needs = "deploy", []string{"build"}
	deploy.step.Run.Pipeline.Steps = []pipeline.Step{build.step.Step, deploy.step.Step}
	deploy.step.Run.Steps = []pipeline.StepRun{{Name: "build", State: pipeline.Succeeded}, {Name: "deploy"}}
	deploy.want(deploy.run(), pipeline.Succeeded, "")
	if got := deploy.log.String(); got != "app\napp\nhello\n" {
		t.Errorf("%q", got)
	}
}

func TestAPromisedArtifactThatIsNotThere(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	b := newBench(t, `echo v=1 >> $SHIPMATE_OUTPUT`, func(c *Config) { c.Artifacts = &artifact.Store{Bucket: bucket} })
	b.step.Step.Artifacts = []string{"*.jar"}
	res := b.run()
	b.want(res, pipeline.Failed, "missing_artifact")
	if !strings.Contains(res.Message, `"*.jar"`) || len(res.Outputs) != 0 {
		t.Error(res.Message, res.Outputs)
	}
}
