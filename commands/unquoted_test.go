package commands

import (
	"context"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// untouched is a store in which nothing was deployed yet.
type untouched struct{ Store }

func (untouched) Environment(context.Context, int64, string) (*pipeline.EnvironmentState, error) {
	return &pipeline.EnvironmentState{}, nil
}

func TestTextWithoutQuotesHasBothLines(t *testing.T) {
	set := Set{Deploy{}, Lock{}, Unlock{}, Promote{}, Rollback{}, Resolve{}, Override{}}
	cfg := &pipeline.Config{Service: "shop", Environments: []*pipeline.Environment{{Name: "staging"}, {Name: "eu", Aliases: []string{"europe"}}}}
	for _, row := range []struct {
		line  string
		lines []string // in the answer, in code; none: another answer
	}{
		{"/deploy staging --reason hotfix release-2", []string{`/deploy staging release-2 --reason hotfix`, `/deploy staging --reason "hotfix release-2"`}},
		{"/deploy staging --wait --reason big hotfix release-2", []string{`/deploy staging release-2 --reason "big hotfix" --wait`, `/deploy staging --reason "big hotfix release-2" --wait`}},
		{"/rollback eu --reason bad to r-123", []string{`/rollback eu to r-123 --reason bad`, `/rollback eu --reason "bad to r-123"`}},
		{"/lock --reason database upgrade eu", []string{`/lock eu --reason "database upgrade"`, `/lock <env> --reason "database upgrade eu"`}},
		{"/lock --reason database upgrade Europe --for 2h", []string{`/lock Europe --reason "database upgrade" --for 2h`, `/lock <env> --reason "database upgrade Europe" --for 2h`}},
		{"/lock --reason eu database upgrade", []string{`/lock eu --reason "database upgrade"`, `/lock <env> --reason "eu database upgrade"`}},
		{"/lock --reason database upgrade", []string{`/lock <env> --reason "database upgrade"`}},
		{"/deploy --reason big sale eu release-2", []string{`/deploy eu release-2 --reason "big sale"`, `/deploy <env> --reason "big sale eu release-2"`}},
		{"/promote staging --reason big sale eu", []string{`/promote staging to eu --reason "big sale"`, `/promote staging to <env> --reason "big sale eu"`}},
		{"/promote --reason big sale staging eu", []string{`/promote <from> to <env> --reason "big sale staging eu"`}},
		{"/resolve r-1 --reason seen it build succeeded", []string{`/resolve r-1 <step> <succeeded|failed> --reason "seen it build succeeded"`}},
		{`/lock --reason "database upgrade eu"`, nil},
		{`/lock --reason upgrade`, nil},
		{`/deploy --reason big sale --wait staging`, nil},
	} {
		line, err := set.Parse(row.line)
		if err == nil {
			err = Missing(t.Context(), untouched{}, &Call{Line: line, Config: cfg})
		}
		if row.lines == nil {
			if pipeline.Code(err) == "unquoted_text" {
				t.Errorf("%s: %v", row.line, err)
			}
			continue
		}
		if pipeline.Code(err) != "unquoted_text" {
			t.Errorf("%s: %v", row.line, err)
			continue
		}
		for _, want := range row.lines {
			if !strings.Contains(err.Error(), "`"+want+"`") {
				t.Errorf("%s: %s is not in %v", row.line, want, err)
			}
		}
		if verb, _, _ := strings.Cut(row.line, " "); strings.Count(err.Error(), "`"+verb+" ") != len(row.lines) {
			t.Errorf("%s: more lines than %q in %v", row.line, row.lines, err)
		}
	}
}
