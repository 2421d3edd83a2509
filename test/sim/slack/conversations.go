package slack

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// visibleChannel finds a channel by its id as the app's token sees it.
func (c *call) visibleChannel() (*channel, error) {
	if err := c.need("channel"); err != nil {
		return nil, err
	}
	ch := c.channel(c.str("channel"))
	if ch == nil || ch.ID != c.str("channel") || !c.sees(ch) {
		return nil, refuse("channel_not_found")
	}
	return ch, nil
}

func (c *call) sees(ch *channel) bool {
	return ch.Team == c.team.ID && (ch.has(BotUser) || !ch.Private && !ch.Direct)
}

func (c *channel) wire() Block {
	name := c.Name
	return Block{
		"id": c.ID, "name": name, "name_normalized": name, "context_team_id": c.Team,
		"is_channel": !c.Direct && !c.Private, "is_group": c.Private, "is_im": c.Direct,
		"is_private": c.Private || c.Direct, "is_archived": c.Archived, "is_member": c.has(BotUser),
		"num_members": len(c.Members),
	}
}

func conversationsInfo(c *call) (reply, error) {
	ch, err := c.visibleChannel()
	if err != nil {
		return nil, err
	}
	return reply{"channel": ch.wire()}, nil
}

func conversationsJoin(c *call) (reply, error) {
	ch, err := c.visibleChannel()
	switch {
	case err != nil:
		return nil, err
	case ch.Private || ch.Direct:
		return nil, refuse("method_not_supported_for_channel_type")
	case ch.Archived:
		return nil, refuse("is_archived")
	}
	out := reply{}
	if ch.has(BotUser) {
		out["warning"] = "already_in_channel"
	}
	ch.add(BotUser)
	out["channel"] = ch.wire()
	return out, nil
}

func conversationsOpen(c *call) (reply, error) {
	if c.str("users") == "" {
		return nil, refuse("users_list_not_supplied")
	}
	u := c.user(c.team.ID, c.str("users"))
	switch {
	case strings.Contains(c.str("users"), ","):
		return nil, &refusal{code: "missing_scope", extra: reply{"needed": "mpim:write", "provided": strings.Join(c.server.cfg.Scopes, ",")}}
	case u == nil || u.ID != c.str("users"):
		return nil, refuse("user_not_found")
	case u.ID == BotUser:
		return nil, refuse("cannot_dm_bot")
	case u.Deleted:
		return nil, refuse("user_disabled")
	}
	return reply{"channel": reply{"id": c.direct(u).ID}}, nil
}

func conversationsList(c *call) (reply, error) {
	types := strings.Split(c.str("types"), ",")
	if c.str("types") == "" {
		types = []string{"public_channel"}
	}
	var found []Block
	for _, ch := range c.channels {
		hidden := ch.Archived && c.yes("exclude_archived", false)
		if c.sees(ch) && !hidden && slices.Contains(types, ch.kind()) {
			found = append(found, ch.wire())
		}
	}
	return page(c, "channels", found, 100)
}

func (c *channel) kind() string {
	switch {
	case c.Direct:
		return "im"
	case c.Private:
		return "private_channel"
	}
	return "public_channel"
}

func conversationsMembers(c *call) (reply, error) {
	ch, err := c.visibleChannel()
	if err != nil {
		return nil, err
	}
	return page(c, "members", ch.Members, 100)
}

func conversationsHistory(c *call) (reply, error) {
	ch, err := c.readable()
	if err != nil {
		return nil, err
	}
	var found []Block
	for _, m := range slices.Backward(ch.messages) { // the newest first
		if m.ThreadTS == "" && !m.Ephemeral() && c.between(m.TS) {
			found = append(found, c.forReading(ch.wireTop(m)))
		}
	}
	return page(c, "messages", found, 100)
}

func conversationsReplies(c *call) (reply, error) {
	ch, err := c.readable()
	if err != nil {
		return nil, err
	}
	if err := c.need("ts"); err != nil {
		return nil, err
	}
	parent := ch.parent(c.str("ts"))
	if parent == nil || parent.Ephemeral() {
		return nil, refuse("thread_not_found")
	}
	found := []Block{c.forReading(ch.wireTop(parent))}
	for _, m := range ch.replies(parent.TS) {
		if c.between(m.TS) {
			found = append(found, c.forReading(m.wire(ch.Team)))
		}
	}
	return page(c, "messages", found, 1000)
}

// readable finds the channel of a history method: the app must be a member.
func (c *call) readable() (*channel, error) {
	ch, err := c.visibleChannel()
	if err != nil {
		return nil, err
	}
	if !ch.has(BotUser) {
		return nil, refuse("not_in_channel")
	}
	return ch, nil
}

func (c *call) forReading(m Block) Block {
	if !c.yes("include_all_metadata", false) {
		delete(m, "metadata")
	}
	return m
}

// between says whether a timestamp is in the asked-for time; the ends belong to it
// only with inclusive.
func (c *call) between(ts string) bool {
	oldest, latest := c.str("oldest"), c.str("latest")
	inclusive := c.yes("inclusive", false)
	if oldest != "" && oldest != "0" && (seconds(ts) < seconds(oldest) || !inclusive && ts == oldest) {
		return false
	}
	return latest == "" || seconds(ts) < seconds(latest) || inclusive && ts == latest
}

func seconds(ts string) float64 {
	f, _ := strconv.ParseFloat(ts, 64)
	return f
}

// page cuts a list as cursor pagination does. The cursor is opaque to clients.
func page[T any](c *call, key string, all []T, size int) (reply, error) {
	limit := c.number("limit", size)
	if limit < 1 || limit > 1000 {
		return nil, refuse("invalid_limit")
	}
	start, ok := readCursor(c.str("cursor"))
	if !ok || start > len(all) {
		return nil, refuse("invalid_cursor")
	}
	end := min(start+limit, len(all))
	next := ""
	if end < len(all) {
		next = base64.StdEncoding.EncodeToString([]byte("next:" + strconv.Itoa(end)))
	}
	return reply{
		key:                 append([]T{}, all[start:end]...),
		"has_more":          next != "",
		"response_metadata": reply{"next_cursor": next},
	}, nil
}

func readCursor(cursor string) (int, bool) {
	if cursor == "" {
		return 0, true
	}
	raw, err := base64.StdEncoding.DecodeString(cursor)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(string(raw), "next:"))
	return n, err == nil && n >= 0
}
