package pipeline

import (
	"slices"
	"strings"
)

const (
	maxImages    = 50  // of a step and of a deployment
	maxImageName = 512 // a registry's limits are a name of 255, a tag of 128 and a digest
)

// cleanImages is a list of images fit to be kept and shown: sorted, each once,
// and none that could be no reference.
func cleanImages(images []string) []string {
	var out []string
	for _, image := range images {
		if image != "" && len(image) <= maxImageName && !strings.ContainsFunc(image, func(c rune) bool { return c <= ' ' || c > '~' || c == '`' }) {
			out = append(out, image)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.Clip(out[:min(len(out), maxImages)])
}

// Images lists what the run's steps have deployed, full references with the
// digest where it is known. A run that undid another one brought back what
// stood there before.
func (r *Run) Images() []string {
	if r.Reverts != "" {
		if r.Restores == nil || r.State != Succeeded {
			return nil
		}
		return r.Restores.Images
	}
	var all []string
	for i := range r.Steps {
		all = append(all, r.Steps[i].Images...)
	}
	return cleanImages(all)
}
