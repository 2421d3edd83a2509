package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/script"
)

// slack is how much later than the engine's the shim's own timeout is: that one
// is for when the bot is gone.
const slack = 5 * time.Second

// begin starts from nothing. before is the checkpoint of a script that was lost
// and is begun again, or zero.
func (r *Runner) begin(ctx context.Context, c script.Call, before checkpoint) (pipeline.Result, error) {
	at, err := r.site(ctx, c.StepContext)
	if err != nil {
		return pipeline.Result{}, err
	}
	if _, err := r.order(c, at); err != nil { // what is wrong with it is said before there is a Job
		return pipeline.Result{}, err
	}
	w, err := r.open(ctx, checkpoint{
		Cluster: r.cfg.Cluster, Namespace: at.namespace, Job: jobName(c), Pass: newPass(r.with.Keys[0]), Fence: c.Fence, Undo: c.Undo, Reruns: before.Reruns, LogBase: before.LogBase,
	})
	if err != nil {
		return r.opened(ctx, err)
	}
	defer w.close()
	if before.JobUID != "" { // never two pods at work
		if err := w.gone(ctx, before); err != nil {
			return r.opened(ctx, err)
		}
	}
	if err := w.create(ctx, c, at, r.timeout(c)); err != nil {
		return r.opened(ctx, err)
	}
	return w.await(ctx, c)
}

func (r *Runner) timeout(c script.Call) time.Duration {
	now := r.with.Now()
	if s := c.Run.Step(c.Step.Name); s != nil && s.Deadline.After(now) {
		return s.Deadline.Sub(now) + slack
	}
	return c.Step.Timeout.Or(time.Hour) + slack
}

// order says what the shim is to run, or why it cannot be run.
func (r *Runner) order(c script.Call, at site) (order, error) {
	argv, err := c.Interpreter()
	if err != nil {
		return order{}, err
	}
	vars, err := script.Environment(c, placeInPod(), r.with.BaseURL)
	if err != nil {
		return order{}, err
	}
	o := order{
		Argv: argv, Env: vars.Encode(), Script: c.Text(), Timeout: r.timeout(c), Grace: r.cfg.Grace, MaxLog: r.with.MaxLog,
		MaxArtifacts: r.with.Artifacts.Max(), Cluster: at.serviceAccount != "",
	}
	if !c.Undo {
		o.Artifacts = c.Step.Artifacts
	}
	for _, s := range c.Secrets {
		o.Secrets = append(o.Secrets, s.Reveal())
	}
	return o, nil
}

const (
	patient   = 5 * time.Second  // after which a pod that waits for room is not waited for in the call
	unmade    = 20 * time.Second // the same of one that Kubernetes has not made: many Jobs take their time
	lookAgain = 5 * time.Second  // then this is between calls
)

// await waits for the Job's pod and begins its script. A pod that has to wait
// for room holds no worker: the call ends, and says why, until the next.
func (w *work) await(ctx context.Context, c script.Call) (pipeline.Result, error) {
	began, cannot := w.with.Now(), time.Time{}
	asked, no := w.cp.Created, denial{}
	for {
		pods, jobs := w.pods.Changed(), w.jobs.Changed()
		now := w.with.Now()
		if ctx.Err() != nil {
			return w.stopped(ctx, c)
		}
		s := sight(w.pod(), w.cfg.Image)
		switch {
		case s.ready:
			return w.release(ctx, c)
		case s.failed != nil:
			return w.refuse(ctx, s.failed)
		case s.ended:
			return w.again(ctx, s.why)
		case !s.pod && w.over(now.Sub(began) > patient):
			return w.again(ctx, whyEnded(w.last, w.there()))
		case !s.pod && now.Sub(asked) >= lookAgain:
			asked, no = now, w.denied(ctx)
			continue
		case !s.pod && no.never && now.Sub(w.cp.Created) >= w.cfg.PullPatience:
			return w.refuse(ctx, no.why)
		case now.Sub(w.cp.Created) >= w.cfg.StartDeadline:
			return w.refuse(ctx, pipeline.Refuse("not_started", "`%s` did not start within %s. %s", c.Name(), w.cfg.StartDeadline, sayWaits(s, no, w.cp)))
		case s.cannot != nil && cannot.IsZero():
			cannot = now
		case s.cannot != nil && now.Sub(cannot) >= w.cfg.PullPatience:
			return w.refuse(ctx, s.cannot)
		case (s.waits != "" || !s.pod && no.why != nil) && now.Sub(began) >= patient, !s.pod && now.Sub(began) >= unmade:
			return pipeline.Result{RetryAfter: lookAgain, Checkpoint: w.cp.encode(), Message: sayWaits(s, no, w.cp)}, nil
		}
		w.wait(ctx, pods, jobs, time.Second)
	}
}

func sayWaits(s sighting, no denial, cp checkpoint) string {
	switch {
	case s.waits != "":
		return s.waits
	case s.cannot != nil:
		return pipeline.Message(s.cannot)
	case s.pod:
		return fmt.Sprintf("The pod of the Job %s in the namespace %s is being set up.", cp.Job, cp.Namespace)
	case no.why != nil:
		return no.why.Message
	}
	return fmt.Sprintf("Kubernetes has made no pod for the Job %[1]s yet; most of the time a ResourceQuota or an admission policy is why. `kubectl describe job %[1]s -n %[2]s` says.", cp.Job, cp.Namespace)
}

// refuse ends a step whose script never began.
func (w *work) refuse(ctx context.Context, why error) (pipeline.Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := deleteJob(ctx, w.at, w.cp, background); err != nil {
		w.with.Logger.Warn("delete a Job that did not start", "job", w.cp.Job, "err", err)
	}
	return pipeline.Result{}, why
}

// again: the pod ended before it had its order, so another is made by the next call.
func (w *work) again(ctx context.Context, why string) (pipeline.Result, error) {
	if err := deleteJob(ctx, w.at, w.cp, background); err != nil && ctx.Err() == nil {
		return pipeline.Result{}, err
	}
	w.cp.Ended = true // nothing of it is needed
	return pipeline.Result{RetryAfter: lookAgain, Checkpoint: w.cp.encode(), Message: "Its pod ended before the script began (" + why + "). Another one is made."}, nil
}

// release gives the pod its order, saves which pod it is, and follows it: its
// first word is the go. If anything fails before the checkpoint is saved, nothing has begun.
func (w *work) release(ctx context.Context, c script.Call) (pipeline.Result, error) {
	w.cp.Pod = w.last.Name
	w.link = w.connect()
	err := w.send(ctx, c)
	said, refused := refusal(err)
	switch {
	case ctx.Err() != nil:
		return w.stopped(ctx, c)
	case conflict(err):
		return w.again(ctx, "it had an order of another call")
	case pipeline.Code(err) != "" && !pipeline.IsTemporary(err), pipeline.IsLagging(err):
		return w.refuse(ctx, err)
	case refused:
		return w.refuse(ctx, pipeline.Refuse("order_refused", "The pod %s cannot take the files of the commit: %s. Correct what that names, or ask the operator.", w.cp.Pod, said))
	case err != nil:
		w.with.Logger.Warn("order to a pod", "run", c.Run.ID, "step", c.Step.Name, "pod", w.cp.Pod, "err", err)
		return pipeline.Result{}, pipeline.Temporary(&pipeline.Error{Code: "no_order", Err: err, Message: fmt.Sprintf(
			"The files of the commit could not be brought to the pod %s. It is tried again; if that goes on, the operator finds the cause in the log.", w.cp.Pod)})
	}
	w.cp.PodUID = w.last.UID
	w.cp.LogBase = max(w.cp.LogBase, c.Log.Offset())
	if err := c.Save(ctx, w.cp.encode()); err != nil {
		return pipeline.Result{}, pipeline.Temporary(fmt.Errorf("save the checkpoint: %w", err))
	}
	return w.follow(ctx, c, 0)
}

// send brings the order, the commit's files and what other steps hand on to the pod.
func (w *work) send(ctx context.Context, c script.Call) error {
	select {
	case w.sending <- struct{}{}:
		defer func() { <-w.sending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	at, err := w.site(ctx, c.StepContext)
	if err != nil {
		return err
	}
	o, err := w.order(c, at)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(w.with.Dir, "order-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // the next start removes what stays
	src := filepath.Join(tmp, "src")
	if err := os.Mkdir(src, 0o700); err != nil {
		return err
	}
	if err := w.with.Source.Checkout(ctx, c.Run.Repo, c.Run.SHA, src); err != nil {
		return fmt.Errorf("check out %s at %s: %w", c.Run.Repo, c.Run.ShortSHA(), err)
	}
	sets, err := w.handedOn(ctx, c)
	if err != nil {
		return err
	}
	if err = w.link.ready(ctx); err == nil {
		err = w.link.order(ctx, func(to io.Writer) error { return send(to, o, src, sets) })
	}
	if errors.As(err, new(*shimError)) {
		return err
	}
	return w.at.Explain("forward a port of the pod "+w.cp.Pod, err)
}

// handedOn are the artifacts of the steps this one needs. Their sizes go ahead
// of them, so each is opened once to see, and once to be sent.
func (w *work) handedOn(ctx context.Context, c script.Call) (sets []handed, err error) {
	for _, set := range artifact.Needed(c.Run, c.Step.Name) {
		r, size, err := w.with.Artifacts.Open(ctx, set)
		if err != nil {
			return nil, err
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
		sets = append(sets, handed{size, func() (io.ReadCloser, error) {
			r, _, err := w.with.Artifacts.Open(ctx, set)
			return r, err
		}})
	}
	return sets, nil
}

// stopped ends a Job whose script has not begun, unless another call goes on with it.
func (w *work) stopped(ctx context.Context, c script.Call) (pipeline.Result, error) {
	if cause := pipeline.HandedOver(ctx); cause != nil {
		return pipeline.Result{}, pipeline.Temporary(cause)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Grace+30*time.Second)
	defer cancel()
	if err := w.remove(end); err != nil {
		return pipeline.Result{}, pipeline.Temporary(err)
	}
	return w.words().Result(c, script.Exit{Stopped: why(ctx)}, script.Told{}), nil
}

// why is the reason a script is stopped for when its ctx ended.
func why(ctx context.Context) string {
	cause := context.Cause(ctx) // the engine's is the plain word
	if errors.Is(cause, context.DeadlineExceeded) || cause.Error() == script.StopTimeout {
		return script.StopTimeout
	}
	return script.StopCancelled
}
