package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// BotUser and BotID are the app's own user and bot ids in every workspace.
const (
	BotUser = "U0SHIPMATE"
	BotID   = "B0SHIPMATE"
	AppID   = "A0SHIPMATE"
	BotName = "shipmate"
)

// Team is a workspace.
type Team struct {
	ID       string `json:"id"`
	Domain   string `json:"domain"`
	Name     string `json:"name"`
	BotToken string `json:"-"`
}

// User is a person, or another bot. The flags are those of users.info.
type User struct {
	ID                string `json:"id"`
	Team              string `json:"team"`
	Name              string `json:"name"`
	RealName          string `json:"real_name,omitempty"`
	Email             string `json:"email,omitempty"`
	IsRestricted      bool   `json:"is_restricted,omitempty"`
	IsUltraRestricted bool   `json:"is_ultra_restricted,omitempty"`
	IsStranger        bool   `json:"is_stranger,omitempty"`
	Deleted           bool   `json:"deleted,omitempty"`
	IsBot             bool   `json:"is_bot,omitempty"`
}

// Channel is a conversation. Members are user ids.
type Channel struct {
	ID       string   `json:"id"`
	Team     string   `json:"team"`
	Name     string   `json:"name"`
	Private  bool     `json:"private,omitempty"`
	Archived bool     `json:"archived,omitempty"`
	Direct   bool     `json:"direct,omitempty"`
	Members  []string `json:"members"`
}

// world is everything Slack stores. The Server's lock guards it.
type world struct {
	teams      []Team
	users      []*User
	channels   []*channel
	views      map[string]*View
	stacks     map[string][]*View // open modals per user, the top last
	homes      map[string]*View
	triggers   map[string]*trigger
	responses  map[string]*responseURL
	codes      map[string]oauthCode
	userTokens map[string]userToken
	consenter  string
	lastTS     int64
	sequence   int
}

type channel struct {
	Channel
	messages []*Message // in order of their ts: tops, replies and ephemerals
}

// trigger is the right to open a modal for a person, once, for a short time.
type trigger struct {
	user string
	at   time.Time
	used bool
}

func newWorld(first Team) world {
	w := world{
		views:      map[string]*View{},
		stacks:     map[string][]*View{},
		homes:      map[string]*View{},
		triggers:   map[string]*trigger{},
		responses:  map[string]*responseURL{},
		codes:      map[string]oauthCode{},
		userTokens: map[string]userToken{},
	}
	w.addTeam(first)
	return w
}

func (w *world) addTeam(t Team) {
	w.teams = append(w.teams, t)
	w.users = append(w.users, &User{ID: BotUser, Team: t.ID, Name: BotName, RealName: BotName, IsBot: true})
}

// id makes ids that look like Slack's and are the same in every run of a test.
func (w *world) id(prefix string) string {
	w.sequence++
	sum := sha256.Sum256(fmt.Append(nil, prefix, w.sequence))
	return prefix + strings.ToUpper(hex.EncodeToString(sum[:5]))
}

// ts gives the next message timestamp: unique, growing, near the clock.
func (w *world) ts(now time.Time) string {
	w.lastTS = max(now.UnixMicro(), w.lastTS+1)
	return fmt.Sprintf("%d.%06d", w.lastTS/1e6, w.lastTS%1e6)
}

func (w *world) trigger(user string, now time.Time) string {
	id := fmt.Sprintf("%d.%d.%s", now.UnixMilli(), w.sequence, strings.ToLower(w.id("")))
	w.triggers[id] = &trigger{user: user, at: now}
	return id
}

func (w *world) team(id string) Team {
	for _, t := range w.teams {
		if t.ID == id {
			return t
		}
	}
	return w.teams[0]
}

// user finds a person by id, or by name with or without @. An id must match its
// workspace only for the app's own user, which exists in each.
func (w *world) user(team, idOrName string) *User {
	for _, u := range w.users {
		if u.ID == idOrName && (u.ID != BotUser || u.Team == team) {
			return u
		}
	}
	for _, u := range w.users {
		if u.Name == strings.TrimPrefix(idOrName, "@") {
			return u
		}
	}
	return nil
}

// channel finds a conversation by id, or by name with or without #.
func (w *world) channel(idOrName string) *channel {
	for _, t := range w.teams {
		if c := w.channelIn(t.ID, idOrName); c != nil {
			return c
		}
	}
	return nil
}

func (w *world) channelIn(team, idOrName string) *channel {
	name := strings.TrimPrefix(idOrName, "#")
	for _, c := range w.channels {
		if c.Team == team && (c.ID == idOrName || c.Name != "" && c.Name == name) {
			return c
		}
	}
	return nil
}

// direct finds or opens the conversation between the app and a person.
func (w *world) direct(u *User) *channel {
	for _, c := range w.channels {
		if c.Direct && c.has(u.ID) {
			return c
		}
	}
	c := &channel{Channel: Channel{ID: w.id("D"), Team: u.Team, Direct: true, Members: []string{u.ID, BotUser}}}
	w.channels = append(w.channels, c)
	return c
}
