//go:build kube

package kube

import (
	"context"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var plane *Plane

func TestMain(m *testing.M) { os.Exit(Run(m, func(p *Plane) { plane = p })) }

func TestNodes(t *testing.T) {
	nodes, err := plane.Client.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 4 {
		t.Fatal(len(nodes.Items), err)
	}
}
