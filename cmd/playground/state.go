package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// State is everything the page shows but the log.
type State struct {
	ID       string            `json:"id"` // of the playground: what a page keeps belongs to one
	Scene    string            `json:"scene"`
	Terminal string            `json:"terminal"` // what to paste into one
	Channel  string            `json:"channel"`
	People   []person          `json:"people"`
	GitHub   github.Snapshot   `json:"github"`
	Slack    *slack.State      `json:"slack"`
	Running  map[string]string `json:"running"` // environment -> short commit, empty for none
}

type person struct {
	Login string `json:"login"`
	Slack string `json:"slack"`
	Role  string `json:"role"`
}

func (p *Playground) state() (State, error) {
	snapshot, err := p.World.GitHub.Snapshot(p.repo)
	if err != nil {
		return State{}, err
	}
	s := State{
		ID: p.id, Terminal: p.terminal(), Channel: world.Channel,
		GitHub: snapshot, Slack: p.World.Slack.Snapshot(), Running: map[string]string{},
	}
	for _, who := range world.People {
		s.People = append(s.People, person{who.Login, who.Slack, who.Permission})
	}
	for _, env := range []string{"staging", "prod"} {
		if s.Running[env], err = p.running(env); err != nil {
			return State{}, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Scene = p.scene
	return s, nil
}

// running is the commit an environment serves: where its link points.
func (p *Playground) running(env string) (string, error) {
	release, err := p.site.Readlink(path.Join(env, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return path.Base(release), err
}

// watch calls look now and after every change, until it says stop or ctx ends.
// Files change without a sign; but whoever changes them, the bot, says so on
// GitHub and in Slack right after.
func (p *Playground) watch(ctx context.Context, look func() (stop bool, err error)) error {
	onGitHub, stopGitHub := p.World.GitHub.Subscribe()
	defer stopGitHub()
	onSlack, stopSlack := p.World.Slack.Subscribe()
	defer stopSlack()
	onBell, stopBell := p.bell.listen()
	defer stopBell()
	for {
		if stop, err := look(); stop || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-onBell:
		case <-onSlack:
		case <-onGitHub:
			for len(onGitHub) > 0 { // many changes are one
				<-onGitHub
			}
		}
	}
}

// waitFor returns when the state is as wanted.
func (p *Playground) waitFor(ctx context.Context, wanted func(State) bool) error {
	return p.watch(ctx, func() (bool, error) {
		s, err := p.state()
		return err == nil && wanted(s), err
	})
}

// events streams the state, and the lines of the log, to a page.
func (p *Playground) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w).Flush
	var shown []byte
	from := 0
	// The page went away, or the playground ends: nobody is left to be told.
	_ = p.watch(r.Context(), func() (bool, error) {
		s, err := p.state()
		if err != nil {
			return false, err
		}
		now, err := json.Marshal(s)
		if err != nil {
			return false, err
		}
		var out bytes.Buffer
		if !bytes.Equal(now, shown) {
			shown = now
			fmt.Fprintf(&out, "event: state\ndata: %s\n\n", now)
		}
		var lines []string
		if lines, from = p.log.since(from); len(lines) > 0 {
			text, err := json.Marshal(lines)
			if err != nil {
				return false, err
			}
			fmt.Fprintf(&out, "event: log\ndata: %s\n\n", text)
		}
		if out.Len() == 0 {
			return false, nil
		}
		if _, err := w.Write(out.Bytes()); err != nil {
			return false, err
		}
		return false, flush()
	})
}
