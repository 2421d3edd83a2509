package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFileThatSaysNothingLeavesTheDefaults(t *testing.T) {
	unset := environ{}
	want, err := loadConfig("", unset)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty": "", "a comment": "# nothing yet\n", "only a mark": "---\n"} {
		file := filepath.Join(t.TempDir(), "settings.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := loadConfig(file, unset)
		if err != nil || got.Runner != want.Runner || got.Durability != want.Durability || got.GitHub.Report != want.GitHub.Report {
			t.Errorf("%s: %v, runner %q", name, err, got.Runner)
		}
	}
}
