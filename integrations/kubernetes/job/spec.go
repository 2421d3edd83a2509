package job

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline/script"
)

const (
	labelRun  = "shipmate.dev/run"
	labelStep = "shipmate.dev/step"
	labelRepo = "shipmate.dev/repo"

	container = "step" // the script's; the other one brings the shim
	maxName   = 52     // room for what Kubernetes adds to make a pod's name of it
	broom     = time.Hour
)

// jobName is the same for every call of an attempt: what a crashed bot left
// is found by it.
func jobName(c script.Call) string {
	end := "-" + strconv.Itoa(c.Attempt)
	if c.Undo {
		end += "-undo"
	}
	begin := "sm-" + slug(string(c.Run.ID)) + "-"
	step, room := slug(c.Step.Name), maxName-len(begin)-len(end)
	if step != c.Step.Name || len(step) > room {
		sum := sha256.Sum256([]byte(c.Step.Name))
		step = strings.TrimRight(step[:max(0, min(len(step), room-9))], "-") + "-" + hex.EncodeToString(sum[:4])
	}
	return begin + step + end
}

// slug is what of a name may stand in Kubernetes' names.
func slug(name string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return '-'
	}, name), "-")
}

// label is what of a text may be the value of a label.
func label(text string) string {
	text = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			return c
		}
		return '.'
	}, text)
	return strings.Trim(text[:min(len(text), 63)], "-_.")
}

// spec is the Job of a call. It holds nothing of the script: neither text nor
// environment nor secrets. Those the pod gets from us, see protocol.go.
func (c Config) spec(call script.Call, at site, tokenHash string, timeout time.Duration) *batchv1.Job {
	labels := map[string]string{labelRun: label(string(call.Run.ID)), labelStep: label(call.Step.Name), labelRepo: label(call.Run.Repo.String())}
	// The Job's own deadline is for when neither we nor the shim keep ours.
	deadline := c.StartDeadline + timeout + c.Grace + c.Linger + time.Minute
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: jobName(call), Namespace: at.namespace, Labels: labels},
		Spec: batchv1.JobSpec{
			BackoffLimit:            ptr[int32](0),
			PodReplacementPolicy:    ptr(batchv1.Failed),
			ActiveDeadlineSeconds:   ptr(int64(deadline.Seconds())),
			TTLSecondsAfterFinished: ptr(int32(broom.Seconds())),
			Template:                corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: c.pod(at, tokenHash)},
		},
	}
}

func (c Config) pod(at site, tokenHash string) corev1.PodSpec {
	confined := &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	bin := corev1.VolumeMount{Name: "bin", MountPath: shimDir}
	binOnly := bin
	binOnly.ReadOnly = true
	return corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		ServiceAccountName:            at.serviceAccount,
		AutomountServiceAccountToken:  ptr(at.serviceAccount != ""),
		EnableServiceLinks:            ptr(false),
		NodeSelector:                  at.nodeSelector,
		Tolerations:                   at.tolerations,
		TerminationGracePeriodSeconds: ptr(int64((c.Grace + 5*time.Second).Seconds())), // the shim's word comes after the script's end
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr(true), RunAsUser: ptr(c.User), RunAsGroup: ptr(c.User), FSGroup: ptr(c.User),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Volumes: []corev1.Volume{
			{Name: "bin", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
		InitContainers: []corev1.Container{{
			Name: "shim", Image: c.Image, Args: []string{"shim", "install", shimBin},
			Resources:       amounts("10m", "32Mi", "500m", "256Mi"),
			VolumeMounts:    []corev1.VolumeMount{bin},
			SecurityContext: confined,
		}},
		Containers: []corev1.Container{{
			Name: container, Image: at.image,
			Command:                []string{shimBin, "shim", "pod", "--token", tokenHash, "--patience", c.StartDeadline.String(), "--linger", c.Linger.String()},
			WorkingDir:             workDir,
			Resources:              corev1.ResourceRequirements{Requests: at.requests, Limits: at.limits},
			VolumeMounts:           []corev1.VolumeMount{binOnly, {Name: "work", MountPath: workDir}},
			TerminationMessagePath: corev1.TerminationMessagePathDefault, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			SecurityContext: confined,
		}},
	}
}

func amounts(cpu, memory, maxCPU, maxMemory string) corev1.ResourceRequirements {
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	return corev1.ResourceRequirements{Requests: list(cpu, memory), Limits: list(maxCPU, maxMemory)}
}

func ptr[T any](v T) *T { return &v }
