package slack

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tiers of Slack's rate limits, in calls a minute, counted per method and workspace.
// chat.postMessage is limited per channel besides.
const (
	tier2       = 20
	tier3       = 50
	tier4       = 100
	tierSpecial = 400 // "several hundred"
)

// method is one method of the Web API.
type method struct {
	scope     string // what the bot token needs
	perMinute int
	json      bool // takes a JSON body; the others silently ignore one
	do        func(*call) (reply, error)
	token     tokenKind
}

type tokenKind int

const (
	botToken tokenKind = iota
	appToken
	noToken
)

// webAPI is the table of contents of the Web API.
func (s *Server) webAPI() map[string]method {
	return map[string]method{
		"api.test":                {perMinute: tierSpecial, json: true, do: apiTest, token: noToken},
		"auth.test":               {perMinute: tierSpecial, json: true, do: authTest},
		"apps.connections.open":   {perMinute: tier3, json: true, do: openConnection, token: appToken},
		"bots.info":               {perMinute: tier3, scope: "users:read", do: botsInfo},
		"chat.delete":             {perMinute: tier3, json: true, scope: "chat:write", do: chatDelete},
		"chat.getPermalink":       {perMinute: tierSpecial, do: chatPermalink},
		"chat.postEphemeral":      {perMinute: tier4, json: true, scope: "chat:write", do: chatPostEphemeral},
		"chat.postMessage":        {perMinute: tierSpecial, json: true, scope: "chat:write", do: chatPostMessage},
		"chat.update":             {perMinute: tier3, json: true, scope: "chat:write", do: chatUpdate},
		"conversations.history":   {perMinute: tier3, scope: "channels:history", do: conversationsHistory},
		"conversations.info":      {perMinute: tier3, scope: "channels:read", do: conversationsInfo},
		"conversations.join":      {perMinute: tier3, json: true, scope: "channels:join", do: conversationsJoin},
		"conversations.list":      {perMinute: tier2, scope: "channels:read", do: conversationsList},
		"conversations.members":   {perMinute: tier4, scope: "channels:read", do: conversationsMembers},
		"conversations.open":      {perMinute: tier3, json: true, scope: "im:write", do: conversationsOpen},
		"conversations.replies":   {perMinute: tier3, scope: "channels:history", do: conversationsReplies},
		"oauth.v2.access":         {perMinute: tier4, do: oauthAccess, token: noToken},
		"openid.connect.token":    {perMinute: tier4, do: openidToken, token: noToken},
		"openid.connect.userInfo": {perMinute: tier4, json: true, do: openidUserInfo, token: noToken},
		"reactions.add":           {perMinute: tier3, json: true, scope: "reactions:write", do: reactionsAdd},
		"reactions.get":           {perMinute: tier3, scope: "reactions:read", do: reactionsGet},
		"reactions.remove":        {perMinute: tier2, json: true, scope: "reactions:write", do: reactionsRemove},
		"team.info":               {perMinute: tier3, scope: "team:read", do: teamInfo},
		"users.info":              {perMinute: tier4, scope: "users:read", do: usersInfo},
		"users.list":              {perMinute: tier2, scope: "users:read", do: usersList},
		"views.open":              {perMinute: tier4, json: true, do: viewsOpen},
		"views.publish":           {perMinute: tier4, json: true, do: viewsPublish},
		"views.push":              {perMinute: tier4, json: true, do: viewsPush},
		"views.update":            {perMinute: tier4, json: true, do: viewsUpdate},
	}
}

// AllScopes are the scopes that the simulated methods need, without chat:write.public:
// like most apps, the bot has to be in a channel to post there.
func AllScopes() []string {
	return []string{
		"app_mentions:read", "channels:history", "channels:join", "channels:read", "chat:write", "commands",
		"groups:history", "groups:read", "im:history", "im:write", "reactions:read", "reactions:write",
		"team:read", "users:read", "users:read.email",
	}
}

// reply is the body of an answer; "ok" is added.
type reply map[string]any

// call is one call of a Web API method. It runs under the server's lock.
type call struct {
	*world
	args
	server *Server
	team   Team
	token  string
	now    time.Time
}

// refusal is an answer with ok:false.
type refusal struct {
	code       string
	messages   []string // why, with JSON pointers, as in response_metadata
	extra      reply
	status     int
	retryAfter time.Duration
}

func (r *refusal) Error() string {
	return strings.Join(append([]string{r.code}, r.messages...), "; ")
}

func refuse(code string) *refusal { return &refusal{code: code} }

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	name := r.PathValue("method")
	s.pause(r.Context(), s.cfg.Latency)
	m, known := s.methods[name]
	if !known {
		s.answer(w, r, nil, refuse("unknown_method"))
		return
	}
	fault := s.fault(name)
	s.pause(r.Context(), fault.Delay)
	a, err := readArgs(r, m.json)
	var out reply
	switch {
	case err != nil:
	case fault.fails():
		err = fault.refusal()
	default:
		out, err = s.call(w, r, m, name, a)
	}
	s.record(name, a, err, start)
	if fault.LoseReply {
		panic(http.ErrAbortHandler) // the connection breaks; the work was done
	}
	s.answer(w, r, out, err)
}

// call checks who calls and how often, then does it.
func (s *Server) call(w http.ResponseWriter, r *http.Request, m method, name string, a args) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{world: &s.world, args: a, server: s, now: s.now(), token: bearer(r)}
	if c.token == "" && m.token == botToken {
		c.token = a.str("token")
	}
	if err := c.authorize(m); err != nil {
		return nil, err
	}
	if m.token == botToken {
		w.Header().Set("X-OAuth-Scopes", strings.Join(s.cfg.Scopes, ","))
		w.Header().Set("X-Accepted-OAuth-Scopes", m.scope)
	}
	if err := s.limits.take(name, c, m.perMinute); err != nil {
		return nil, err
	}
	if user, secret, ok := r.BasicAuth(); ok {
		a["client_id"], a["client_secret"] = user, secret
	}
	out, err := m.do(c)
	s.wake()
	return out, err
}

func bearer(r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return token
}

// authorize checks the kind of the token, the token and its scopes, in that order.
func (c *call) authorize(m method) error {
	c.team = c.teams[0]
	switch {
	case m.token == noToken:
		return nil
	case c.token == "":
		return refuse("not_authed")
	case m.token == appToken && c.token == c.server.cfg.AppToken:
		return nil
	case m.token == appToken && strings.HasPrefix(c.token, "xoxb-"):
		return refuse("not_allowed_token_type")
	case m.token == botToken && strings.HasPrefix(c.token, "xapp-"):
		return refuse("not_allowed_token_type")
	}
	i := slices.IndexFunc(c.teams, func(t Team) bool { return t.BotToken == c.token })
	if i < 0 || m.token == appToken {
		return refuse("invalid_auth")
	}
	c.team = c.teams[i]
	return c.needScope(m.scope)
}

func (c *call) needScope(scope string) error {
	granted := c.server.cfg.Scopes
	if scope == "" || slices.Contains(granted, scope) {
		return nil
	}
	return &refusal{code: "missing_scope", extra: reply{"needed": scope, "provided": strings.Join(granted, ",")}}
}

// answer writes the envelope that all methods share.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, out reply, err error) {
	body := reply{"ok": err == nil}
	maps.Copy(body, out)
	status := http.StatusOK
	if err != nil {
		status = s.describe(w.Header(), body, err)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") && !strings.Contains(r.Header.Get("Content-Type"), "charset") {
		body["warning"] = "missing_charset"
		metadata, _ := body["response_metadata"].(reply)
		if metadata == nil {
			metadata = reply{}
		}
		metadata["warnings"] = []string{"missing_charset"}
		body["response_metadata"] = metadata
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// describe fills in a refusal and gives its HTTP status.
func (s *Server) describe(h http.Header, body reply, err error) int {
	var r *refusal
	if !errors.As(err, &r) {
		s.log.Error("simulated slack method", "err", err)
		r = refuse("internal_error")
	}
	body["error"] = r.code
	maps.Copy(body, r.extra)
	if r.messages != nil {
		messages := make([]string, len(r.messages))
		for i, m := range r.messages {
			messages[i] = "[ERROR] " + m
		}
		body["errors"] = r.messages
		body["response_metadata"] = reply{"messages": messages}
	}
	if r.retryAfter > 0 {
		seconds := (r.retryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	return cmp.Or(r.status, http.StatusOK)
}

func apiTest(c *call) (reply, error) {
	if code := c.str("error"); code != "" {
		return nil, refuse(code)
	}
	return reply{"args": c.args}, nil
}

func authTest(c *call) (reply, error) {
	return reply{
		"url": "https://" + c.team.Domain + ".slack.com/", "team": c.team.Name, "team_id": c.team.ID,
		"user": BotName, "user_id": BotUser, "bot_id": BotID, "is_enterprise_install": false,
	}, nil
}

func teamInfo(c *call) (reply, error) {
	return reply{"team": reply{"id": c.team.ID, "name": c.team.Name, "domain": c.team.Domain}}, nil
}

func botsInfo(c *call) (reply, error) {
	return reply{"bot": reply{"id": BotID, "app_id": AppID, "name": BotName, "user_id": BotUser, "deleted": false}}, nil
}
