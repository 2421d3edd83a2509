package commands

import (
	"strings"
	"testing"
)

func TestImagesInAnAnswer(t *testing.T) {
	long := "registry.example/shop@sha256:" + strings.Repeat("abcd", 16)
	for _, test := range []struct {
		name string
		list []string
		want string
	}{
		{"none", nil, ""},
		{"a digest is shortened", []string{long, "cache:7"}, "\nImages: `registry.example/shop@sha256:abcdabcdabcd`, `cache:7`."},
		{"many are counted", strings.Fields(strings.Repeat("a ", 12)), "\nImages: " + strings.Repeat("`a`, ", 10) + "and 2 more."},
	} {
		if got := images(test.list); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
