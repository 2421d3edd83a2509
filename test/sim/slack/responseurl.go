package slack

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// A response_url works five times within half an hour.
const (
	responseUses = 5
	responseLife = 30 * time.Minute
)

type responseURL struct {
	team    string
	channel string
	user    string
	message string // ts of the message that was clicked, if any
	at      time.Time
	uses    int
}

// respondTo makes a response_url. The caller holds the lock.
func (s *Server) respondTo(r responseURL) string {
	id := s.world.id("R")
	r.at = s.now()
	s.world.responses[id] = &r
	return s.cfg.BaseURL + "/response/" + id
}

func (s *Server) serveResponseURL(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	fault := s.fault("response_url")
	s.pause(r.Context(), fault.Delay)
	var body args
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body)
	switch {
	case err != nil:
		err = &refusal{code: "invalid_payload", status: http.StatusBadRequest}
	case fault.fails():
		err = fault.refusal()
	default:
		err = s.useResponseURL(r.PathValue("id"), body)
	}
	s.record("response_url", body, err, start)
	if fault.LoseReply {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	_, _ = w.Write([]byte("ok"))
}

func (s *Server) useResponseURL(id string, body args) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	u := s.world.responses[id]
	switch {
	case u == nil:
		return &refusal{code: "invalid_url", status: http.StatusNotFound}
	case s.now().Sub(u.at) > responseLife:
		return &refusal{code: "expired_url", status: http.StatusNotFound}
	case u.uses >= responseUses:
		s.limits.violations["response_url"]++
		return &refusal{code: "used_url", status: http.StatusNotFound}
	}
	u.uses++
	err := s.respond(&s.world, u, body)
	var r *refusal
	if errors.As(err, &r) {
		r.status = http.StatusBadRequest
	}
	return err
}

// respond does what a response asks for: delete or replace the message that was
// clicked, or show a new one, to the person alone unless it says in_channel.
func (s *Server) respond(w *world, origin *responseURL, body args) error {
	ch := w.channel(origin.channel)
	if ch == nil {
		return refuse("channel_not_found")
	}
	c := &call{world: w, args: body, server: s, team: w.team(origin.team), now: s.now()}
	source := ch.find(origin.message)
	if source != nil && body.yes("delete_original", false) {
		ch.delete(source.TS)
		return nil
	}
	next, err := c.content(ch)
	if err != nil {
		return err
	}
	if source != nil && body.yes("replace_original", false) {
		source.Text, source.Attachments = next.Text, next.Attachments
		source.Blocks = w.named(next.Blocks)
		source.Edited, source.editedTS = true, w.ts(s.now())
		return nil
	}
	if next.ThreadTS, err = c.thread(ch); err != nil {
		return err
	}
	if body.str("response_type") != "in_channel" {
		next.VisibleTo = origin.user
	}
	next.Text = truncate(next.Text)
	w.post(ch, next, s.now())
	return nil
}
