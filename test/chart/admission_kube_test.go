//go:build kube

package chart

import (
	"context"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/shipmate/shipmate/pipeline"
)

// scriptJob is the shape that integrations/kubernetes/job makes.
func scriptJob() *batchv1.Job {
	confined := func() *corev1.SecurityContext {
		return &corev1.SecurityContext{AllowPrivilegeEscalation: ptr(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	}
	empty := func(name string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "sm-"},
		Spec: batchv1.JobSpec{BackoffLimit: ptr[int32](0), PodReplacementPolicy: ptr(batchv1.Failed), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: ptr(false), EnableServiceLinks: ptr(false),
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(65532)), RunAsGroup: ptr(int64(65532)), FSGroup: ptr(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Volumes:        []corev1.Volume{empty("bin"), empty("work")},
			InitContainers: []corev1.Container{{Name: "shim", Image: "registry.example.com/shipmate:v1.2.3", SecurityContext: confined()}},
			Containers:     []corev1.Container{{Name: "step", Image: "registry.example.com/alpine@sha256:" + strings.Repeat("0", 64), SecurityContext: confined()}},
		}}},
	}
}

func ptr[T any](v T) *T { return &v }

// asBot speaks with the API server as an account of the release's namespace.
func asBot(t *testing.T, account string) kubernetes.Interface {
	t.Helper()
	cfg := rest.CopyConfig(plane.REST)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:shipmate:" + account, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// propose has the API server judge a Job, and keeps none.
func propose(client kubernetes.Interface, namespace string, change func(*corev1.PodSpec)) error {
	j := scriptJob()
	if change != nil {
		change(&j.Spec.Template.Spec)
	}
	_, err := client.BatchV1().Jobs(namespace).Create(context.Background(), j, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

func installPolicies(t *testing.T, environments ...any) {
	t.Helper()
	ctx := context.Background()
	out, err := render("small.yaml", map[string]any{"environments": environments, "serviceAccount.name": "policed"})
	if err != nil {
		t.Fatal(pipeline.Message(err))
	}
	all := objects(t, out)
	kept := all[:0]
	for _, o := range all {
		if k := o.GetKind(); k == "Role" || k == "RoleBinding" || strings.HasPrefix(k, "ValidatingAdmissionPolicy") {
			kept = append(kept, o)
			if k == "Role" {
				ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.GetNamespace()}}
				if _, err := plane.Client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	create(t, kept)
}

func TestJobsAreHeldToWhatTheBotMakes(t *testing.T) {
	installPolicies(t, map[string]any{"namespace": "held", "jobs": true, "jobServiceAccounts": []any{"deployer"}, "images": []any{"registry.example.com/"}},
		map[string]any{"namespace": "free", "jobs": true, "deploy": true},
		map[string]any{"namespace": "plain", "jobs": true})
	bot := asBot(t, "policed")
	root := func(p *corev1.PodSpec) { p.SecurityContext.RunAsNonRoot = nil }
	for deadline := time.Now().Add(30 * time.Second); propose(bot, "held", root) == nil || propose(bot, "plain", root) == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the policies take no effect")
		}
	}
	step := func(change func(*corev1.Container)) func(*corev1.PodSpec) {
		return func(p *corev1.PodSpec) { change(&p.Containers[0]) }
	}
	shim := func(change func(*corev1.Container)) func(*corev1.PodSpec) {
		return func(p *corev1.PodSpec) { change(&p.InitContainers[0]) }
	}
	image := func(name string) func(*corev1.PodSpec) { return step(func(c *corev1.Container) { c.Image = name }) }
	volume := func(v corev1.VolumeSource) func(*corev1.PodSpec) {
		return func(p *corev1.PodSpec) { p.Volumes = append(p.Volumes, corev1.Volume{Name: "more", VolumeSource: v}) }
	}
	const volumes, node, versions = "no volumes but emptyDir", "of their node", "name a version of every image"
	for name, c := range map[string]struct {
		change func(*corev1.PodSpec)
		says   string // "": it is taken
	}{
		"the bot's own":          {nil, ""},
		"a folder of the node":   {volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}), volumes},
		"a Secret":               {volume(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "x"}}), volumes},
		"a token by another way": {volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "t"}}}}}), volumes},
		"a claim":                {volume(corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "x"}}), volumes},
		"no volumes":             {func(p *corev1.PodSpec) { p.Volumes = nil }, ""},
		"the node's network":     {func(p *corev1.PodSpec) { p.HostNetwork = true }, node},
		"the node's processes":   {func(p *corev1.PodSpec) { p.HostPID = true }, node},
		"the node's memory":      {func(p *corev1.PodSpec) { p.HostIPC = true }, node},
		"a privileged script": {step(func(c *corev1.Container) {
			c.SecurityContext.AllowPrivilegeEscalation, c.SecurityContext.Privileged = nil, ptr(true)
		}), "not privileged"},
		"more privileges":                   {step(func(c *corev1.Container) { c.SecurityContext.AllowPrivilegeEscalation = nil }), "allowPrivilegeEscalation: false"},
		"more privileges before the script": {shim(func(c *corev1.Container) { c.SecurityContext = nil }), "allowPrivilegeEscalation: false"},
		"a capability":                      {step(func(c *corev1.Container) { c.SecurityContext.Capabilities.Add = []corev1.Capability{"NET_ADMIN"} }), "add no capabilities"},
		"perhaps root":                      {root, "runAsNonRoot: true"},
		"root in one container":             {shim(func(c *corev1.Container) { c.SecurityContext.RunAsNonRoot = ptr(false) }), "runAsNonRoot: true"},
		"user 0":                            {step(func(c *corev1.Container) { c.SecurityContext.RunAsUser = ptr(int64(0)) }), "no user 0"},
		"another service account":           {func(p *corev1.PodSpec) { p.ServiceAccountName = "admin" }, "no service account but default"},
		"by its old name":                   {func(p *corev1.PodSpec) { p.DeprecatedServiceAccount = "admin" }, "no service account but default"},
		"default":                           {func(p *corev1.PodSpec) { p.ServiceAccountName = "default" }, ""},
		"default's token":                   {func(p *corev1.PodSpec) { p.AutomountServiceAccountToken = nil }, "automountServiceAccountToken: false"},
		"the token of one that may":         {func(p *corev1.PodSpec) { p.ServiceAccountName, p.AutomountServiceAccountToken = "deployer", ptr(true) }, ""},
		"an image without a version":        {image("registry.example.com/alpine"), versions},
		"a port is no version":              {image("registry.example.com:5000/alpine"), versions},
		"the latest":                        {image("registry.example.com/alpine:latest"), versions},
		"the latest, by digest":             {image("registry.example.com/alpine:latest@sha256:" + strings.Repeat("a", 64)), ""},
		"an image from elsewhere":           {image("registry.example.com.evil/alpine:3"), "no images but those"},
	} {
		err := propose(bot, "held", c.change)
		if c.says == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.says != "" && (err == nil || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'shipmate.shipmate.held'") || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := propose(bot, "plain", image("docker.io/library/alpine:3")); err != nil {
		t.Error("any image where none are named:", err)
	}
	if err := propose(bot, "free", root); err != nil {
		t.Error("where the bot deploys what people write:", err)
	}
	if err := propose(plane.Client, "held", root); err != nil {
		t.Error("of somebody else:", err)
	}
}
