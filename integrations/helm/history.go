package helm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/release/common"
	v1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/shipmate/shipmate/pipeline"
)

// mark says which call made a revision. A revision of an upgrade carries it in
// its labels, one of a rollback in its description: Helm gives a rollback the
// labels of the revision it goes back to.
type mark struct {
	Owner string // the repository and environment, whose fences can be compared
	Run   string
	Step  string // with the attempt
	Fence int64
}

func markOf(c *pipeline.StepContext) mark {
	return mark{
		Owner: short(fmt.Sprint(c.Run.Repo.ID, "/", c.Run.EnvironmentName())),
		Run:   string(c.Run.ID),
		Step:  short(c.Step.Name) + "." + strconv.Itoa(c.Attempt),
		Fence: c.Fence,
	}
}

// short fits into a label, whatever the name is.
func short(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:6])
}

const (
	labelOwner, labelRun, labelStep = "shipmate/owner", "shipmate/run", "shipmate/step"
	labelFence, labelRevision       = "shipmate/fence", "shipmate/revision"
	rollbackForm                    = "Rollback to %d (shipmate owner %s run %s step %s fence %d)"
)

var rollbackMark = regexp.MustCompile(`^Rollback to \d+ \(shipmate owner (\S+) run (\S+) step (\S+) fence (\d+)\)$`)

// labels are those of the revision. Its number is among them, because the next
// upgrade, by whoever, inherits the labels.
func (m mark) labels(revision int) map[string]string {
	return map[string]string{labelOwner: m.Owner, labelRun: m.Run, labelStep: m.Step, labelFence: strconv.FormatInt(m.Fence, 10), labelRevision: strconv.Itoa(revision)}
}

func (m mark) rollback(to int) string {
	return fmt.Sprintf(rollbackForm, to, m.Owner, m.Run, m.Step, m.Fence)
}

// made reads the mark of a revision; zero: somebody else made it.
func made(r *v1.Release) mark {
	if f := rollbackMark.FindStringSubmatch(r.Info.Description); f != nil {
		fence, _ := strconv.ParseInt(f[4], 10, 64)
		return mark{Owner: f[1], Run: f[2], Step: f[3], Fence: fence}
	}
	if r.Info.RollbackRevision != 0 || r.Labels[labelRevision] != strconv.Itoa(r.Version) {
		return mark{}
	}
	fence, _ := strconv.ParseInt(r.Labels[labelFence], 10, 64)
	return mark{Owner: r.Labels[labelOwner], Run: r.Labels[labelRun], Step: r.Labels[labelStep], Fence: fence}
}

// same reports whether both are of one attempt of a step.
func (m mark) same(other mark) bool {
	return m.Owner == other.Owner && m.Run == other.Run && m.Step == other.Step
}

// mayTake reports whether whoever made an unfinished revision is known to be
// gone: an earlier call of this step, or a call of an earlier run, because only
// one run at a time has an environment.
func (m mark) mayTake(other mark) bool {
	mine, _, _ := strings.Cut(m.Step, ".")
	theirs, _, _ := strings.Cut(other.Step, ".")
	return other.Owner == m.Owner && other.Fence <= m.Fence && (other.Run != m.Run || theirs == mine)
}

// history are the revisions of a release, oldest first.
type history []*v1.Release

func (h history) last() *v1.Release {
	if len(h) == 0 {
		return nil
	}
	return h[len(h)-1]
}

// gone reports whether there is no release: there never was one, or it was
// uninstalled and only its history was kept.
func (h history) gone() bool { return len(h) == 0 || h.last().Info.Status == common.StatusUninstalled }

// good is the newest revision that was deployed and is not of this step.
func (h history) good(m mark) int {
	for _, r := range slices.Backward(h) {
		if s := r.Info.Status; (s == common.StatusDeployed || s == common.StatusSuperseded) && !m.same(made(r)) {
			return r.Version
		}
	}
	return 0
}

// touched reports whether the step has begun to change the release.
func (h history) touched(m mark) bool {
	return slices.ContainsFunc(h, func(r *v1.Release) bool { return m.same(made(r)) })
}

// revision is nil if it is not kept.
func (h history) revision(n int) *v1.Release {
	for _, r := range h {
		if r.Version == n {
			return r
		}
	}
	return nil
}

func unfinished(r *v1.Release) bool {
	return r.Info.Status.IsPending() || r.Info.Status == common.StatusUninstalling
}

// check refuses to touch a release that somebody else has in hand.
func (h history) check(m mark, place Place) error {
	for _, r := range h {
		if by := made(r); by.Owner == m.Owner && by.Fence > m.Fence {
			return pipeline.Refuse("superseded", "Run %s has worked on the release %s since, so this run leaves it alone.", by.Run, r.Name)
		}
	}
	last := h.last()
	if last == nil || !unfinished(last) {
		return nil
	}
	by := made(last)
	switch {
	case m.mayTake(by):
		return nil
	case by.Run != "":
		return pipeline.Temporary(pipeline.Refuse("release_busy", "Run %s has the release %s in hand (revision %d, %s). This step goes on when it is done.", by.Run, last.Name, last.Version, last.Info.Status))
	}
	return pipeline.Temporary(pipeline.Refuse("release_busy", "Somebody else has the release %s in namespace %s of %s in hand since %s (revision %d, %s). This step goes on when they are done; if nobody is at work any more, run `helm rollback %s -n %s`.",
		last.Name, place.Namespace, place.Cluster, last.Info.LastDeployed.UTC().Format(time.DateTime+" UTC"), last.Version, last.Info.Status, last.Name, place.Namespace))
}
