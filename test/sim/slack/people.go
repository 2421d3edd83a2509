package slack

import (
	"context"
	"fmt"
	"slices"
)

// AddWorkspace installs the app in one more workspace, with a bot token of its own.
func (s *Server) AddWorkspace(t Team) {
	s.change(func(w *world) { w.addTeam(t) })
}

// AddUser adds a person to the first workspace, or to u.Team. ID and Name are enough.
// A user with a known id is replaced, which is how somebody is deactivated.
func (s *Server) AddUser(u User) {
	s.change(func(w *world) {
		if u.Team == "" {
			u.Team = w.teams[0].ID
		}
		if u.RealName == "" {
			u.RealName = u.Name
		}
		w.users = slices.DeleteFunc(w.users, func(old *User) bool { return old.ID == u.ID && u.ID != BotUser })
		w.users = append(w.users, &u)
	})
}

// AddChannel makes a public channel of the first workspace with these members
// (ids or names) and the app, and gives its id.
func (s *Server) AddChannel(name string, members ...string) string {
	return s.CreateChannel(Channel{Name: name, Members: append(slices.Clone(members), BotUser)})
}

// CreateChannel makes exactly this channel. The app is in it only if Members has BotUser.
func (s *Server) CreateChannel(c Channel) string {
	s.change(func(w *world) {
		if c.ID == "" {
			c.ID = w.id("C")
		}
		if c.Team == "" {
			c.Team = w.teams[0].ID
		}
		members := make([]string, len(c.Members))
		for i, m := range c.Members {
			members[i] = m
			if u := w.user(c.Team, m); u != nil {
				members[i] = u.ID
			}
		}
		c.Members = members
		w.channels = append(w.channels, &channel{Channel: c})
	})
	return c.ID
}

// Join puts a person (or BotUser) into a channel.
func (s *Server) Join(channel, user string) error {
	return s.changeChannel(channel, user, (*Channel).add)
}

// Leave takes a person (or BotUser) out of a channel.
func (s *Server) Leave(channel, user string) error {
	return s.changeChannel(channel, user, (*Channel).remove)
}

// Archive closes a channel for new messages.
func (s *Server) Archive(channel string) error {
	return s.changeChannel(channel, BotUser, func(c *Channel, _ string) { c.Archived = true })
}

// Unarchive ends Archive, and sends the app the event that follows.
func (s *Server) Unarchive(ctx context.Context, channel, by string) (Delivery, error) {
	err := s.changeChannel(channel, BotUser, func(c *Channel, _ string) { c.Archived = false })
	if err != nil {
		return Delivery{}, err
	}
	return s.channelEvent(ctx, channel, by, "unarchive", false), nil
}

// Rename gives a channel another name.
func (s *Server) Rename(ctx context.Context, channel, name, by string) (Delivery, error) {
	err := s.changeChannel(channel, BotUser, func(c *Channel, _ string) { c.Name = name })
	if err != nil {
		return Delivery{}, err
	}
	return s.channelEvent(ctx, name, by, "rename", true), nil
}

// Invite puts the app into a channel, and tells it.
func (s *Server) Invite(ctx context.Context, channel, by string) (Delivery, error) {
	if err := s.Join(channel, BotUser); err != nil {
		return Delivery{}, err
	}
	s.mu.Lock()
	c, u := s.world.channel(channel), s.world.user("", by)
	event := Block{"type": "member_joined_channel", "user": BotUser, "channel": c.ID, "channel_type": c.ID[:1], "team": c.Team, "event_ts": s.world.ts(s.now())}
	if u != nil {
		event["inviter"] = u.ID
	}
	team := c.Team
	s.mu.Unlock()
	return s.SendEvent(ctx, team, event), nil
}

// channelEvent is channel_<what>, or group_<what> of a private channel. Some
// have the channel as an object, others its id.
func (s *Server) channelEvent(ctx context.Context, channel, by, what string, whole bool) Delivery {
	s.mu.Lock()
	c := s.world.channel(channel)
	kind := "channel_"
	if c.Private {
		kind = "group_"
	}
	event := Block{"type": kind + what, "channel": c.ID, "event_ts": s.world.ts(s.now())}
	if whole {
		event["channel"] = Block{"id": c.ID, "name": c.Name, "name_normalized": c.Name, "created": s.now().Unix()}
	} else if u := s.world.user(c.Team, by); u != nil {
		event["user"] = u.ID
	}
	team := c.Team
	s.mu.Unlock()
	return s.SendEvent(ctx, team, event)
}

func (s *Server) changeChannel(channel, user string, apply func(*Channel, string)) error {
	var err error
	s.change(func(w *world) {
		c := w.channel(channel)
		if c == nil {
			err = fmt.Errorf("no channel %q", channel)
			return
		}
		u := w.user(c.Team, user)
		if u == nil {
			err = fmt.Errorf("no user %q", user)
			return
		}
		apply(&c.Channel, u.ID)
	})
	return err
}

func (c *Channel) has(user string) bool { return slices.Contains(c.Members, user) }

// Members is replaced, never changed in place: snapshots share it.
func (c *Channel) add(user string) {
	if !c.has(user) {
		c.Members = append(slices.Clone(c.Members), user)
	}
}

func (c *Channel) remove(user string) {
	c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(m string) bool { return m == user })
}
