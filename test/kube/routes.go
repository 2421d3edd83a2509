package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// HTTPRoutes is the kind that [Plane.InstallHTTPRoutes] makes known.
var HTTPRoutes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

// InstallHTTPRoutes makes the kind HTTPRoute of the Gateway API known, as its
// module defines it. No gateway acts on the routes.
func (p *Plane) InstallHTTPRoutes(ctx context.Context) error {
	tools, err := toolsFolder()
	if err != nil {
		return err
	}
	module, err := moduleFolder(tools, "sigs.k8s.io/gateway-api")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(module, "config", "crd", "standard", "gateway.networking.k8s.io_httproutes.yaml"))
	if err != nil {
		return err
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &crd.Object); err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(p.REST)
	if err != nil {
		return err
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Create(ctx, crd, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("HTTPRoute: %w", err)
	}
	return until(30*time.Second, "HTTPRoutes are known", func() bool {
		_, resources, err := p.Client.Discovery().ServerGroupsAndResources()
		return err == nil && slices.ContainsFunc(resources, func(l *metav1.APIResourceList) bool { return l.GroupVersion == HTTPRoutes.GroupVersion().String() })
	}, p.logOf("apiserver"))
}
