package commands_test

import (
	"flag"
	"os"
	"testing"

	"github.com/shipmate/shipmate/commands"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestTheManualIsUpToDate(t *testing.T) {
	const path = "../docs/commands.md"
	want := commands.All(commands.Desk{}).Manual()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the commands say of themselves; run: go test ./commands -update", path)
	}
}
