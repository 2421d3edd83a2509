package slack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// State is everything people see, copied at one moment. It marshals to JSON.
type State struct {
	Teams      []Team         `json:"teams"`
	Users      []User         `json:"users"`
	Channels   []ChannelState `json:"channels"`
	Modals     []View         `json:"modals,omitempty"` // per person from the lowest to the one on top
	Homes      []View         `json:"homes,omitempty"`
	Violations map[string]int `json:"violations,omitempty"` // calls beyond a rate limit, by method
	Sockets    int            `json:"sockets"`              // Socket Mode connections that get deliveries
}

// ChannelState is a channel and its top-level messages, each with its replies.
// Ephemeral messages are among them, marked by VisibleTo.
type ChannelState struct {
	Channel
	Messages []Message `json:"messages"`
}

// Snapshot copies the state. Blocks are shared with the server and not to be changed.
func (s *Server) Snapshot() *State {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.world
	out := &State{Teams: slices.Clone(w.teams), Violations: maps.Clone(s.limits.violations), Sockets: s.sockets.live()}
	for _, u := range w.users {
		out.Users = append(out.Users, *u)
	}
	for _, c := range w.channels {
		out.Channels = append(out.Channels, ChannelState{Channel: c.Channel, Messages: c.threads()})
	}
	for _, user := range slices.Sorted(maps.Keys(w.stacks)) {
		for _, v := range w.stacks[user] {
			out.Modals = append(out.Modals, *v)
		}
	}
	for _, user := range slices.Sorted(maps.Keys(w.homes)) {
		out.Homes = append(out.Homes, *w.homes[user])
	}
	return out
}

// threads copies the messages of a channel, replies below their parents.
func (c *channel) threads() []Message {
	var out []Message
	at := map[string]int{}
	for _, m := range c.messages {
		seen := *m
		seen.Buttons = buttons(m.Blocks)
		seen.Rendered = Text(seen)
		parent, ok := at[m.ThreadTS]
		if m.ThreadTS != "" && ok {
			out[parent].Replies = append(out[parent].Replies, seen)
			continue
		}
		at[m.TS] = len(out)
		out = append(out, seen)
	}
	return out
}

// Messages lists the top-level messages of a channel (id or name), each with its replies.
func (s *State) Messages(channel string) []Message {
	for _, c := range s.Channels {
		if c.ID == channel || c.Name == strings.TrimPrefix(channel, "#") && c.Name != "" {
			return c.Messages
		}
	}
	return nil
}

// All lists the messages of a channel, parents and replies, one after the other.
func (s *State) All(channel string) []Message {
	var out []Message
	for _, m := range s.Messages(channel) {
		out = append(out, m)
		out = append(out, m.Replies...)
	}
	return out
}

// Message finds a message by its ts; nil if there is none.
func (s *State) Message(channel, ts string) *Message {
	for _, m := range s.All(channel) {
		if m.TS == ts {
			return &m
		}
	}
	return nil
}

// Direct lists the messages between the app and a person.
func (s *State) Direct(user string) []Message {
	id := s.userID(user)
	for _, c := range s.Channels {
		if c.Direct && c.has(id) {
			return c.Messages
		}
	}
	return nil
}

// EphemeralsTo lists what only this person (id or name) sees, in all channels.
func (s *State) EphemeralsTo(user string) []Message {
	id := s.userID(user)
	var out []Message
	for _, c := range s.Channels {
		for _, m := range s.All(c.ID) {
			if m.VisibleTo == id {
				out = append(out, m)
			}
		}
	}
	return out
}

// OpenView is the modal a person sees; nil if none is open.
func (s *State) OpenView(user string) *View {
	id := s.userID(user)
	for _, v := range slices.Backward(s.Modals) {
		if v.User == id {
			return &v
		}
	}
	return nil
}

// Home is a person's Home tab; nil if the app published none.
func (s *State) Home(user string) *View {
	id := s.userID(user)
	for _, v := range s.Homes {
		if v.User == id {
			return &v
		}
	}
	return nil
}

func (s *State) userID(idOrName string) string {
	for _, u := range s.Users {
		if u.ID == idOrName || u.Name == strings.TrimPrefix(idOrName, "@") {
			return u.ID
		}
	}
	return idOrName
}

// Transcript writes all channels and open modals as text, for people who read a failed test.
func (s *State) Transcript() string {
	var b strings.Builder
	for _, c := range s.Channels {
		fmt.Fprintf(&b, "#%s\n", c.Name)
		for _, m := range c.Messages {
			s.transcribe(&b, m, "  ")
			for _, r := range m.Replies {
				s.transcribe(&b, r, "    ")
			}
		}
	}
	for _, v := range s.Modals {
		fmt.Fprintf(&b, "modal of %s\n  %s\n", v.User, strings.ReplaceAll(v.Rendered, "\n", "\n  "))
	}
	return b.String()
}

func (s *State) transcribe(b *strings.Builder, m Message, indent string) {
	to := ""
	if m.Ephemeral() {
		to = " (only to " + m.VisibleTo + ")"
	}
	fmt.Fprintf(b, "%s%s%s> %s\n", indent, m.Name, to, strings.ReplaceAll(m.Rendered, "\n", "\n"+indent+"  "))
}

// Messages lists the top-level messages of a channel now; see State.Messages.
func (s *Server) Messages(channel string) []Message { return s.Snapshot().Messages(channel) }

// EphemeralsTo lists what only this person sees now.
func (s *Server) EphemeralsTo(user string) []Message { return s.Snapshot().EphemeralsTo(user) }

// OpenView is the modal a person sees now; nil if none is open.
func (s *Server) OpenView(user string) *View { return s.Snapshot().OpenView(user) }

// Home is a person's Home tab now; nil if the app published none.
func (s *Server) Home(user string) *View { return s.Snapshot().Home(user) }

// Reactions lists the emoji under a message now.
func (s *Server) Reactions(channel, ts string) []Reaction {
	m := s.Snapshot().Message(channel, ts)
	if m == nil {
		return nil
	}
	return m.Reactions
}
