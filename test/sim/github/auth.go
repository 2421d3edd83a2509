package github

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// token is an installation access token.
type token struct {
	installation *installation
	repos        []int64 // nil: all of the installation
	permissions  map[string]string
	made         time.Time
	expires      time.Time
}

// Mint records one installation token that the App asked for.
type Mint struct {
	InstallationID int64             `json:"installation_id"`
	RepositoryIDs  []int64           `json:"repository_ids"` // as asked; nil: not narrowed
	Permissions    map[string]string `json:"permissions"`    // as asked; nil: not narrowed
	Time           time.Time         `json:"time"`
}

// Mints lists the installation tokens handed out so far.
func (s *Server) Mints() []Mint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.db.mints)
}

// RevokeTokens makes every installation token invalid, as an incident response would.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.db.tokens)
}

// identity is who makes a request.
type identity struct {
	app   bool
	token *token
	user  *account // who authorized the App
}

// identify reads the Authorization header. The lock is held.
func (s *Server) identify(r *http.Request) (identity, error) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "":
		return identity{}, nil
	case "bearer", "token":
	case "basic":
		_, password, _ := r.BasicAuth()
		value = password
	default:
		return identity{}, badCredentials()
	}
	if strings.Count(value, ".") == 2 {
		return identity{app: true}, s.verifyJWT(value)
	}
	if u, ok := s.userTokens[value]; ok && s.cfg.Now().Before(u.expires) {
		return identity{user: u.user}, nil
	}
	t := s.db.tokens[value]
	if t == nil || !s.cfg.Now().Before(t.expires) {
		return identity{}, badCredentials()
	}
	if t.installation.suspended != nil {
		return identity{}, forbidden("This installation has been suspended")
	}
	return identity{token: t}, nil
}

// verifyJWT checks an App's token as GitHub documents it: RS256, at most ten
// minutes ahead, issued by the App.
func (s *Server) verifyJWT(text string) error {
	parts := strings.Split(text, ".")
	var header struct{ Alg string }
	if decodeSegment(parts[0], &header) != nil || header.Alg != "RS256" {
		return &apiError{status: 401, message: "A JSON web token could not be decoded"}
	}
	var claims struct {
		Iat, Exp json.Number
		Iss      any
	}
	if decodeSegment(parts[1], &claims) != nil {
		return &apiError{status: 401, message: "A JSON web token could not be decoded"}
	}
	if err := s.issuer(claims.Iss); err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return &apiError{status: 401, message: "A JSON web token could not be decoded"}
	}
	now := s.cfg.Now().Unix()
	iat, err := claims.Iat.Int64()
	if err != nil || iat > now {
		return &apiError{status: 401, message: "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"}
	}
	exp, err := claims.Exp.Int64()
	if err != nil || exp <= now {
		return &apiError{status: 401, message: "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"}
	}
	if exp > now+600 {
		return &apiError{status: 401, message: "'Expiration time' claim ('exp') is too far in the future"}
	}
	return nil
}

// issuer looks for the App that a token is of. The key of another one does not
// fit ours, which GitHub does not tell from a token that is broken.
func (s *Server) issuer(iss any) error {
	id, err := strconv.ParseInt(fmt.Sprint(iss), 10, 64)
	if err != nil {
		return &apiError{status: 401, message: "'Issuer' claim ('iss') must be an Integer"}
	}
	for _, a := range s.db.apps {
		if a.id == id && a != s.db.own {
			return &apiError{status: 401, message: "A JSON web token could not be decoded"}
		}
	}
	if id != s.cfg.AppID {
		return &apiError{status: 404, message: "Integration not found"}
	}
	return nil
}

func decodeSegment(segment string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	return d.Decode(v)
}

// levelOf orders the levels of a permission; 0 is none, -1 is what is no level.
func levelOf(level string) int {
	return slices.Index([]string{"", "read", "write", "admin"}, level)
}

// may tells whether the token has one of the wanted permissions, each written
// as "issues=write".
func (t *token) may(wanted []string) bool {
	if len(wanted) == 0 {
		return true
	}
	return slices.ContainsFunc(wanted, func(w string) bool {
		name, level, _ := strings.Cut(w, "=")
		return levelOf(t.permissions[name]) >= levelOf(level)
	})
}

func (t *token) sees(r *repository) bool {
	return t.installation.has(r.id) && (t.repos == nil || slices.Contains(t.repos, r.id))
}

// TokenAnswer is the answer to a request for an installation token.
type TokenAnswer struct {
	Token               string            `json:"token"`
	ExpiresAt           time.Time         `json:"expires_at"`
	Permissions         map[string]string `json:"permissions"`
	RepositorySelection string            `json:"repository_selection"`
	Repositories        []Repository      `json:"repositories,omitempty"`
}

func (s *Server) createToken(c *call) (*reply, error) {
	var in struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	if c.hasBody() {
		if err := c.decode(&in); err != nil {
			return nil, err
		}
	}
	inst, err := c.installation()
	if err != nil {
		return nil, err
	}
	if inst.suspended != nil {
		return nil, forbidden("This installation has been suspended")
	}
	ids, err := narrowRepositories(inst, in.RepositoryIDs, in.Repositories)
	if err != nil {
		return nil, err
	}
	permissions := inst.permissions
	if len(in.Permissions) > 0 {
		for name, level := range in.Permissions {
			if levelOf(level) <= 0 || levelOf(inst.permissions[name]) < levelOf(level) {
				return nil, unprocessable("The permissions requested are not granted to this installation.")
			}
		}
		permissions = maps.Clone(in.Permissions)
		permissions["metadata"] = "read"
	}
	s.db.mints = append(s.db.mints, Mint{InstallationID: inst.id, RepositoryIDs: ids, Permissions: in.Permissions, Time: s.now()})
	name := "ghs_" + randomHex(18)
	t := &token{installation: inst, repos: ids, permissions: permissions, made: s.cfg.Now(), expires: s.now().Add(time.Hour)}
	s.db.tokens[name] = t
	answer := TokenAnswer{Token: name, ExpiresAt: t.expires, Permissions: permissions, RepositorySelection: "selected"}
	for _, r := range inst.repos {
		if ids != nil && t.sees(r) {
			answer.Repositories = append(answer.Repositories, s.repository(r))
		}
	}
	return created(answer), nil
}

func narrowRepositories(inst *installation, ids []int64, names []string) ([]int64, error) {
	for _, name := range names {
		i := slices.IndexFunc(inst.repos, func(r *repository) bool { return strings.EqualFold(r.name, name) })
		if i < 0 {
			return nil, unprocessable("There is at least one repository that does not exist or is not accessible to the parent installation.")
		}
		ids = append(ids, inst.repos[i].id)
	}
	for _, id := range ids {
		if !inst.has(id) {
			return nil, unprocessable("There is at least one repository that does not exist or is not accessible to the parent installation.")
		}
	}
	return ids, nil
}

func (s *Server) revokeToken(c *call) (*reply, error) {
	for name, t := range s.db.tokens {
		if t == c.who.token {
			delete(s.db.tokens, name)
		}
	}
	return noContent(), nil
}
