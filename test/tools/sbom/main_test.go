package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOfTheBot: every module that go.mod requires for the bot, and Go itself, is named.
func TestOfTheBot(t *testing.T) {
	program := filepath.Join(t.TempDir(), "shipmate")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../../cmd/shipmate")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := write(&first, program); err != nil {
		t.Fatal(err)
	}
	if err := write(&second, program); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("a second time it is another one", err)
	}
	var got bom
	if err := json.Unmarshal(first.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Metadata.Component.Name != "github.com/shipmate/shipmate" {
		t.Error(got.Metadata)
	}
	for _, want := range []string{"std", "helm.sh/helm/v4", "k8s.io/client-go", "github.com/redis/go-redis/v9"} {
		i := slices.IndexFunc(got.Components, func(c component) bool { return c.Name == want })
		if i < 0 || got.Components[i].Version == "" || !strings.HasPrefix(got.Components[i].PURL, "pkg:golang/"+want+"@") {
			t.Errorf("%s is missing", want)
		}
	}
}
