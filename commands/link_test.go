package commands_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// linked is what people linked themselves to, by Slack user.
type linked struct {
	people map[string]pipeline.Actor
	since  time.Time
	breaks bool // after it was done
	ended  int
}

func (l *linked) Invite(_ context.Context, key string, who pipeline.Actor) (string, error) {
	return "https://shipmate.example/link?code=" + key + who.SlackUser, nil
}

func (l *linked) Linked(_ context.Context, who pipeline.Actor) (pipeline.Actor, time.Time, error) {
	got, ok := l.people[who.SlackUser]
	if !ok {
		return who, time.Time{}, pipeline.Refuse("not_linked", "You are not linked.")
	}
	return got, l.since, nil
}

func (l *linked) Unlink(_ context.Context, _ string, who pipeline.Actor, since time.Time) error {
	if _, ok := l.people[who.SlackUser]; ok && since.Equal(l.since) {
		delete(l.people, who.SlackUser)
		l.ended++
	}
	if l.breaks {
		l.breaks = false
		return pipeline.Temporary(errors.New("connection refused"))
	}
	return nil
}

func sayLink(t *testing.T, l *linked, c commands.Call, store *pipelinetest.Store) (commands.Reply, error) {
	t.Helper()
	var err error
	if c.Line, err = commands.All(commands.Desk{}).Parse(c.Line.Text); err != nil {
		t.Fatal(err)
	}
	return commands.Link{Links: l, Records: store}.Do(t.Context(), &c)
}

// Cut short and tried again, it ends the link that was meant, says so, and
// leaves alone one that was made since.
func TestUnlinkingIsTriedAgain(t *testing.T) {
	store := pipelinetest.NewStore(pipelinetest.NewClock(time.Now()))
	zoe := pipeline.Actor{SlackTeam: "T0", SlackUser: "U0ZOE"}
	l := &linked{people: map[string]pipeline.Actor{"U0ZOE": {ID: 14, Login: "alice"}}, since: time.Unix(1, 0), breaks: true}
	call := commands.Call{Line: commands.Line{Text: "/link --remove"}, Key: "said:1", Actor: zoe, Origin: pipeline.Origin{Surface: "slack"}, Repo: pipeline.Repo{ID: 1}}
	call.Actor.ID, call.Actor.Login = 14, "alice"
	if _, err := sayLink(t, l, call, store); !pipeline.IsTemporary(err) {
		t.Fatal(err)
	}
	call.Actor, call.Repo = zoe, pipeline.Repo{} // as it is found now
	l.people["U0ZOE"], l.since = pipeline.Actor{ID: 15, Login: "hubert"}, time.Unix(2, 0)
	reply, err := sayLink(t, l, call, store)
	if err != nil || reply.Text != "Your Slack account is no longer linked to GitHub user `alice` (14). To link it again: `/link`." || !reply.Private {
		t.Errorf("%+v, %v", reply, err)
	}
	if l.ended != 1 || l.people["U0ZOE"].Login != "hubert" {
		t.Errorf("ended %d, %+v", l.ended, l.people)
	}
}

func TestWhereLinkIsSaid(t *testing.T) {
	store := pipelinetest.NewStore(pipelinetest.NewClock(time.Now()))
	l := &linked{people: map[string]pipeline.Actor{}}
	for _, surface := range []string{"github", "api", "cli", ""} {
		for _, text := range []string{"/link", "/link --remove"} {
			call := commands.Call{Line: commands.Line{Text: text}, Key: "said:1", Actor: pipeline.Actor{ID: 14, Login: "alice"}, Origin: pipeline.Origin{Surface: surface}}
			if _, err := sayLink(t, l, call, store); pipeline.Code(err) != "say_on_slack" {
				t.Errorf("%s on %q: %v", text, surface, err)
			}
		}
	}
}
