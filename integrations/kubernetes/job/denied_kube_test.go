//go:build kube

package job

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// quota lets the namespace have so many pods, and returns once it counts.
func (s *world) quota(pods string) {
	s.Helper()
	quotas := plane.Client.CoreV1().ResourceQuotas(s.namespace)
	_, err := quotas.Create(s.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "few"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse(pods)}},
	}, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
	s.until("the quota counts", func() bool {
		q, err := quotas.Get(s.Context(), "few", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) > 0
	})
}

func TestAQuotaThatIsNeverEnough(t *testing.T) {
	s := simulatedWorld(t, map[string]string{"type": "kwok"})
	s.quota("0")
	c := s.step("true")
	c.want(c.run(s.bot()), pipeline.Failed, "quota_exceeded", "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0")
	s.until("the Job is gone", func() bool { return s.jobs() == 0 })
}

// Others may end, so it is waited for as long as for a node, and said.
func TestAQuotaThatOthersUseUp(t *testing.T) {
	s := simulatedWorld(t, map[string]string{"type": "kwok"})
	s.cfg.StartDeadline = 9 * time.Second
	s.quota("1")
	other := s.bot().cfg.spec(script.Call{StepContext: s.step("true").StepContext}, site{image: busyboxImage}, "", time.Minute).Spec.Template
	other.Name, other.Spec.NodeSelector = "other", map[string]string{"no": "such"} // it counts while it waits
	if _, err := plane.Client.CoreV1().Pods(s.namespace).Create(t.Context(), &corev1.Pod{ObjectMeta: other.ObjectMeta, Spec: other.Spec}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c := s.step("true")
	c.want(c.run(s.bot()), pipeline.Failed, "not_started", "has no room for the pod of the Job sm-r-1-build-1: ")
}

func TestAPolicyAgainstThePod(t *testing.T) {
	s := simulatedWorld(t, map[string]string{"type": "kwok"})
	_, err := plane.Client.CoreV1().LimitRanges(s.namespace).Create(t.Context(), &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("100Mi")}}}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := s.step("true")
	c.want(c.run(s.bot()), pipeline.Failed, "refused_by_policy", "maximum memory usage per Container is 100Mi, but limit is 256Mi")
}

// A Role of before says nothing of events.
func TestEventsThatMayNotBeRead(t *testing.T) {
	s := simulatedWorld(t, map[string]string{"type": "kwok"})
	roles := plane.Client.RbacV1().Roles(s.namespace)
	role, err := roles.Get(t.Context(), "shipmate-jobs", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var rest []rbacv1.PolicyRule
	for _, rule := range role.Rules {
		if rule.Resources[0] != "events" {
			rest = append(rest, rule)
		}
	}
	role.Rules = rest
	if _, err := roles.Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.cfg.StartDeadline = 7 * time.Second
	s.quota("0")
	c := s.step("true")
	c.want(c.run(s.bot()), pipeline.Failed, "not_started", "most of the time a ResourceQuota")
}
