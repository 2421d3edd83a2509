package script

import (
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestAnImageNamesItsVersion(t *testing.T) {
	for name, code := range map[string]string{
		"alpine:3":                              "",
		"registry.example:5000/team/app:v1":     "",
		"alpine@sha256:00":                      "",
		"alpine:latest@sha256:00":               "",
		"alpine":                                "image_refused",
		"alpine:latest":                         "image_refused",
		"registry.example:5000/team/app":        "image_refused",
		"registry.example:5000/team/app:latest": "image_refused",
		"alpine:":                               "image_refused",
		"-v /:/host alpine":                     "invalid_image",
	} {
		if err := CheckImage(name); pipeline.Code(err) != code || (err == nil) != (code == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
