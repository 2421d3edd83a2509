package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/script"
)

// resume follows the pod of an earlier call, from where its output was safe.
func (w *work) resume(ctx context.Context, c script.Call) (pipeline.Result, error) {
	from := c.Log.Offset() - w.cp.LogBase
	if from < 0 { // the end of what was logged before this script is gone with the last bot
		from, w.cp.LogBase = 0, c.Log.Offset()
		if err := c.Save(ctx, w.cp.encode()); err != nil {
			return pipeline.Result{}, pipeline.Temporary(fmt.Errorf("save the checkpoint: %w", err))
		}
	}
	return w.follow(ctx, c, from)
}

// follow says go to the pod in the checkpoint and passes on what its script
// prints, from a byte on, until it has ended. That the API server is away
// changes nothing.
func (w *work) follow(ctx context.Context, c script.Call, from int64) (pipeline.Result, error) {
	out := &output{log: c.Log, at: from}
	w.out = out
	if w.link == nil {
		w.link = w.connect()
	}
	pause := time.Duration(0)
	for {
		pods, jobs := w.pods.Changed(), w.jobs.Changed()
		pod := w.pod()
		if isOver(pod) {
			there, err := w.stillThere(ctx, pod)
			switch {
			case pipeline.HandedOver(ctx) != nil:
				return pipeline.Result{}, pipeline.Temporary(pipeline.HandedOver(ctx))
			case !there && err == nil:
				return w.departed(ctx, c, pod)
			case ctx.Err() != nil:
				return w.stop(ctx, c, out)
			}
			w.wait(ctx, pods, jobs, time.Second)
			continue
		}
		before := out.at
		e, err := w.listen(ctx, c, out)
		switch {
		case pipeline.HandedOver(ctx) != nil:
			return pipeline.Result{}, pipeline.Temporary(pipeline.HandedOver(ctx))
		case ctx.Err() != nil && err != nil:
			return w.stop(ctx, c, out)
		case err == nil && e.Exit.Stopped == stopTerminated && !e.Exit.Well():
			w.settle(ctx)
			return w.lost(ctx, c, whyEnded(w.last, w.there()))
		case err == nil:
			return w.end(c, e), nil
		case pipeline.Code(err) != "" && !pipeline.IsTemporary(err): // of its artifacts
			res := w.words().Result(c, e.Exit, e.Told)
			res.State, res.Outputs, res.Code, res.Message = pipeline.Failed, nil, pipeline.Code(err), pipeline.Message(err)
			return w.done(c, res), nil
		case conflict(err):
			return w.lost(ctx, c, "its shim knows of no order")
		}
		if said, refused := refusal(err); refused {
			return w.lost(ctx, c, "its shim refuses to say ("+said+")")
		}
		if pause == 0 {
			w.with.Logger.Warn("a pod is followed again", "run", c.Run.ID, "step", c.Step.Name, "pod", w.cp.Pod, "err", err)
		}
		if pause = min(5*time.Second, 2*pause+250*time.Millisecond); out.at > before {
			pause = 250 * time.Millisecond
		}
		if stuck(pod, w.with.Now()) {
			return w.lost(ctx, c, whyEnded(pod, w.there()))
		}
		w.wait(ctx, pods, jobs, pause)
	}
}

// settle gives Kubernetes a moment to say why it ended the pod: it says so
// after the fact.
func (w *work) settle(ctx context.Context) {
	for deadline := time.Now().Add(5 * time.Second); ctx.Err() == nil && time.Now().Before(deadline); {
		pods := w.pods.Changed()
		if isOver(w.pod()) {
			return
		}
		w.wait(ctx, pods, nil, time.Until(deadline))
	}
}

// listen brings the script from wherever it is to its end, once.
func (w *work) listen(ctx context.Context, c script.Call, out *output) (ended, error) {
	if err := w.link.letGo(ctx); err != nil {
		return ended{}, err
	}
	return w.drain(ctx, c, out)
}

// drain is what listen does without saying go. An *Error that is not Temporary
// says that the script ended well, and what it was to hand on is not there.
func (w *work) drain(ctx context.Context, c script.Call, out *output) (ended, error) {
	if err := w.link.output(ctx, out.at, out); err != nil {
		var kept *logError
		if errors.As(err, &kept) {
			w.with.Logger.Warn("log of a script", "run", c.Run.ID, "step", c.Step.Name, "err", err)
		}
		return ended{}, err
	}
	e, err := w.link.result(ctx)
	if err != nil || !e.Exit.Well() || len(c.Step.Artifacts) == 0 || c.Undo {
		return e, err
	}
	files, err := w.link.artifacts(ctx)
	if err != nil {
		return e, err
	}
	defer files.Close()
	return e, w.with.Artifacts.Put(ctx, artifact.Set{Run: c.Run.ID, Step: c.Step.Name}, files)
}

// output counts what was passed on.
type output struct {
	log pipeline.Log
	at  int64
}

func (o *output) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := o.log.Write(b)
	o.at += int64(n)
	return n, err
}

// end puts a script's end into words and remembers its Job for Forget.
func (w *work) end(c script.Call, e ended) pipeline.Result {
	return w.done(c, w.words().Result(c, e.Exit, e.Told))
}

func (w *work) done(c script.Call, res pipeline.Result) pipeline.Result {
	w.cp.Ended = true
	res.Checkpoint = w.cp.encode()
	at := attempt{c.Run.ID, c.Step.Name, c.Attempt}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[at] = append(w.ended[at], w.cp)
	return res
}

// words are what messages say of this pod.
func (w *work) words() script.Runner {
	said := script.Runner{Where: "in its image", Memory: "its node ran out of memory. Ask for more with `resources: {memory: ...}`."}
	if w.last == nil {
		return said
	}
	for _, ctr := range w.last.Spec.Containers {
		if ctr.Name != container {
			continue
		}
		said.Where = fmt.Sprintf("in the image %s", ctr.Image)
		if limit, ok := ctr.Resources.Limits[corev1.ResourceMemory]; ok {
			said.Memory = fmt.Sprintf("it used more memory than its limit of %s. Raise it with `resources: {memory: ...}` in .shipmate.yaml.", limit.String())
		}
	}
	return said
}

// stillThere asks the API server itself about a pod that a view does not have:
// a view that is new may be a little behind.
func (w *work) stillThere(ctx context.Context, p *corev1.Pod) (bool, error) {
	if p != nil {
		return false, nil
	}
	live, err := w.at.Typed.CoreV1().Pods(w.cp.Namespace).Get(ctx, w.cp.Pod, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil && live.UID == w.cp.PodUID, err
}

// departed: the pod has ended, or is gone. Its shim may have left word.
func (w *work) departed(ctx context.Context, c script.Call, pod *corev1.Pod) (pipeline.Result, error) {
	left, told := lastWord(pod)
	name := c.Name()
	switch {
	case told && !left.Began:
		return w.again(ctx, "nobody told it to go")
	case told && left.Exit.Stopped == stopTerminated && !left.Exit.Well():
		return w.lost(ctx, c, whyEnded(w.last, w.there()))
	case told && left.Left && left.Exit.Well():
		return w.done(c, pipeline.Result{Done: true, State: pipeline.Unknown, Code: "result_lost", Message: fmt.Sprintf(
			"`%[1]s` ended well, but nobody fetched its outputs and artifacts for %[2]s, and they are gone with its pod. Say `/resolve %[3]s %[4]s failed --reason \"...\"` and start again, or `/resolve %[3]s %[4]s succeeded --reason \"...\"` if nothing needs them.",
			name, w.cfg.Linger, c.Run.ID, c.Step.Name)}), nil
	case told:
		return w.end(c, ended{*left.Exit, script.Told{Src: placeInPod().Src, Outputs: left.Outputs}}), nil
	}
	if e, known := judged(pod); known {
		return w.end(c, ended{Exit: e}), nil
	}
	return w.lost(ctx, c, whyEnded(w.last, w.there()))
}

const maxReruns = 3

// lost is what is done about a script whose outcome nobody saw.
func (w *work) lost(ctx context.Context, c script.Call, why string) (pipeline.Result, error) {
	if w.failedFor(batchv1.JobReasonDeadlineExceeded) {
		return w.end(c, ended{Exit: script.Exit{Stopped: script.StopTimeout}}), nil
	}
	w.with.Logger.Warn("script lost", "run", c.Run.ID, "step", c.Step.Name, "pod", w.cp.Pod, "why", why)
	if c.Step.AfterCrash == pipeline.Rerun && ctx.Err() == nil && w.cp.Reruns < maxReruns {
		w.cp.Reruns++
		if err := deleteJob(ctx, w.at, w.cp, foreground); err != nil {
			return pipeline.Result{}, pipeline.Temporary(err) // its pod may be there still
		}
		if w.out != nil {
			w.cp.LogBase += w.out.at
		}
		return w.begin(ctx, c, w.cp)
	}
	return w.done(c, pipeline.Result{
		Done: true, State: pipeline.Unknown, Code: "outcome_unknown",
		Message: fmt.Sprintf("Nobody saw how `%[1]s` ended: %[2]s. Look at what it did, then say `/resolve %[3]s %[4]s succeeded --reason \"...\"` or `/resolve %[3]s %[4]s failed --reason \"...\"`.",
			c.Name(), why, c.Run.ID, c.Step.Name),
	}), nil
}

// stop deletes the Job, passes on what the script still prints, and returns
// when the pod is gone.
func (w *work) stop(ctx context.Context, c script.Call, out *output) (pipeline.Result, error) {
	reason := why(ctx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Grace+30*time.Second)
	defer cancel()
	if err := deleteJob(end, w.at, w.cp, foreground); err != nil {
		return pipeline.Result{}, pipeline.Temporary(err)
	}
	e, err := w.drain(end, c, out) // never a go: it may not have begun
	if err != nil || !e.Exit.Well() {
		e.Exit.Stopped = reason
	}
	if err := w.gone(end, w.cp); err != nil {
		return pipeline.Result{}, pipeline.Temporary(err)
	}
	res := w.words().Result(c, e.Exit, e.Told)
	w.cp.Ended = true
	res.Checkpoint = w.cp.encode()
	return res, nil
}
