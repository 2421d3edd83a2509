package slack

import (
	"regexp"
	"slices"
)

var emojiName = regexp.MustCompile(`^[a-z0-9_'+-]{1,100}$`)

func reactionsAdd(c *call) (reply, error) {
	m, err := c.reactionTarget()
	if err != nil {
		return nil, err
	}
	if !m.react(c.str("name"), BotUser) {
		return nil, refuse("already_reacted")
	}
	return reply{}, nil
}

func reactionsRemove(c *call) (reply, error) {
	m, err := c.reactionTarget()
	if err != nil {
		return nil, err
	}
	if !m.unreact(c.str("name"), BotUser) {
		return nil, refuse("no_reaction")
	}
	return reply{}, nil
}

func reactionsGet(c *call) (reply, error) {
	ch, err := c.visibleChannel()
	if err != nil {
		return nil, err
	}
	m := ch.find(c.str("timestamp"))
	if m == nil {
		return nil, refuse("message_not_found")
	}
	return reply{"type": "message", "channel": ch.ID, "message": m.wire(ch.Team)}, nil
}

func (c *call) reactionTarget() (*Message, error) {
	switch {
	case c.str("name") == "" || !emojiName.MatchString(c.str("name")):
		return nil, refuse("invalid_name")
	case c.str("channel") == "" || c.str("timestamp") == "":
		return nil, refuse("no_item_specified")
	case !timestamp.MatchString(c.str("timestamp")):
		return nil, refuse("bad_timestamp")
	}
	ch, err := c.visibleChannel()
	if err != nil {
		return nil, err
	}
	if !ch.has(BotUser) {
		return nil, refuse("not_in_channel")
	}
	m := ch.find(c.str("timestamp"))
	if m == nil || m.Ephemeral() {
		return nil, refuse("message_not_found")
	}
	return m, nil
}

// react and unreact replace the lists, because snapshots share them.
func (m *Message) react(name, user string) bool {
	i := slices.IndexFunc(m.Reactions, func(r Reaction) bool { return r.Name == name })
	if i < 0 {
		m.Reactions = append(slices.Clone(m.Reactions), Reaction{Name: name, Users: []string{user}})
		return true
	}
	r := m.Reactions[i]
	if slices.Contains(r.Users, user) {
		return false
	}
	m.Reactions = slices.Clone(m.Reactions)
	m.Reactions[i] = Reaction{Name: name, Users: append(slices.Clone(r.Users), user)}
	return true
}

func (m *Message) unreact(name, user string) bool {
	i := slices.IndexFunc(m.Reactions, func(r Reaction) bool {
		return r.Name == name && slices.Contains(r.Users, user)
	})
	if i < 0 {
		return false
	}
	m.Reactions = slices.Clone(m.Reactions)
	left := slices.DeleteFunc(slices.Clone(m.Reactions[i].Users), func(u string) bool { return u == user })
	m.Reactions[i].Users = left
	if len(left) == 0 {
		m.Reactions = slices.Delete(m.Reactions, i, i+1)
	}
	return true
}
