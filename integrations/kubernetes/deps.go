package kubernetes

import (
	_ "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	_ "helm.sh/helm/v4/pkg/action"
	_ "helm.sh/helm/v4/pkg/chart/loader"
	_ "helm.sh/helm/v4/pkg/engine"
	_ "k8s.io/client-go/discovery"
	_ "k8s.io/client-go/tools/portforward"
	_ "sigs.k8s.io/kustomize/api/krusty"
	_ "sigs.k8s.io/yaml"
)
