package commands

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// What refuses comes first, then what may be waited for; what holds is folded.
func TestWhyPutsFirstWhatDoesNotHold(t *testing.T) {
	reply := reasons("Now", "prod", []pipeline.Gate{
		{Name: "role", State: pipeline.Passes, Sentence: "mona may."},
		{Name: "approval", State: pipeline.Waits, Sentence: "Waits."},
		{Name: "order", State: pipeline.Waits, Refuses: true, Sentence: "Not on staging."},
		{Name: "up_to_date", State: pipeline.Passes, Sentence: "It is."},
		{Name: "head", State: pipeline.Fails, Sentence: "It moved."},
	})
	at := -1
	for _, name := range []string{"Now:", "**head**", "**order**", "**approval**"} {
		i := strings.Index(reply.Text, name)
		if i <= at {
			t.Errorf("%s does not come in its place:\n%s", name, reply.Text)
		}
		at = i
	}
	if strings.Contains(reply.Text, "mona may.") || !strings.Contains(reply.Folded.Text, "mona may.") {
		t.Errorf("what holds is not folded: %+v", reply)
	}
	if want := "✅ 2 of 5 conditions of prod hold: role, up to date."; reply.Folded.Title != want {
		t.Errorf("title %q, want %q", reply.Folded.Title, want)
	}
}
