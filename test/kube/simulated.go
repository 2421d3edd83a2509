package kube

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Pods of these image tags do not become ready on simulated nodes: "bad" cannot
// be pulled, "crash" ends again and again, "never" runs but is never ready. A
// Job's pod ends at once, one of the tag "held" runs until it is deleted.
//
//go:embed stages.yaml
var odd string

const forwards = `
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata: {name: all}
spec: {forwards: [{target: {address: 127.0.0.1, port: %d}}]}
`

// writeStages collects what simulated nodes do: what comes with kwok, and odd.
func (p *Plane) writeStages() error {
	tools, err := toolsFolder()
	if err != nil {
		return err
	}
	kwok, err := moduleFolder(tools, "sigs.k8s.io/kwok")
	if err != nil {
		return err
	}
	stages := odd
	for _, name := range []string{"node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease", "pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete"} {
		text, err := os.ReadFile(filepath.Join(kwok, "kustomize", "stage", name+".yaml"))
		if err != nil {
			return err
		}
		stage := string(text)
		if strings.HasSuffix(name, "pod-ready") {
			stage = strings.Replace(stage, "    matchExpressions:\n", "    matchExpressions:\n    - {key: '.spec.containers[] | select(.image | test(\":(bad|crash|never)$\")) | .image', operator: DoesNotExist}\n", 1)
		}
		if strings.HasSuffix(name, "pod-complete") {
			stage = strings.Replace(stage, "    matchExpressions:\n", "    matchExpressions:\n    - {key: '.spec.containers[] | select(.image | test(\":held$\")) | .image', operator: DoesNotExist}\n", 1)
		}
		stages += "\n---\n" + stage
	}
	stages += fmt.Sprintf(forwards, p.ForwardPort())
	return os.WriteFile(filepath.Join(p.dir, "stages.yaml"), []byte(stages), 0o600)
}

func (p *Plane) simulateNodes(n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range n {
		room := corev1.ResourceList{"cpu": resource.MustParse("64"), "memory": resource.MustParse("256Gi"), "pods": resource.MustParse("500")}
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("simulated-%d", i), Labels: map[string]string{"type": "kwok", "kubernetes.io/os": "linux"}},
			Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
		}
		if _, err := p.Client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("node: %w", err)
		}
	}
	return nil
}
