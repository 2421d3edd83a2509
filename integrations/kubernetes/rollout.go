package kubernetes

import "github.com/shipmate/shipmate/pipeline"

func rolloutParams() []pipeline.Param { return applyParams() }
