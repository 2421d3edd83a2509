package github

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// route is one endpoint of the REST API.
type route struct {
	method  string
	path    *regexp.Regexp
	names   []string
	by      caller
	needs   []string // one of these permissions
	content bool     // counts as content creation in the secondary limits
	handle  func(*call) (*reply, error)
}

// caller is who an endpoint is for.
type caller int

const (
	byApp          caller = iota // the App, with its JWT
	byInstallation               // an installation token
	byAnyone                     // either
	byUser                       // a person's token, see oauth.go
)

// call is one request on its way through a handler.
type call struct {
	s      *Server
	r      *http.Request
	path   string // without the prefix of Enterprise Server
	params map[string]string
	query  url.Values
	body   []byte
	who    identity
	repo   *repository // of paths under /repos/{owner}/{repo}
	header http.Header // of the answer
}

// reply is what a handler answers: body as JSON, or raw as it is.
type reply struct {
	status int
	body   any
	raw    []byte
	media  string // of raw
}

func ok(v any) *reply      { return &reply{status: 200, body: v} }
func created(v any) *reply { return &reply{status: 201, body: v} }
func noContent() *reply    { return &reply{status: 204} }

var wildcard = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

// endpoint makes a route from "GET /path/{name}". A name that ends in ... also
// matches slashes, as branches have them.
func endpoint(pattern string, by caller, needs string, handle func(*call) (*reply, error)) route {
	method, path, _ := strings.Cut(pattern, " ")
	rt := route{method: method, by: by, needs: strings.Fields(needs), handle: handle}
	expr := wildcard.ReplaceAllStringFunc(path, func(w string) string {
		name := strings.Trim(w, "{}")
		rt.names = append(rt.names, strings.TrimSuffix(name, "..."))
		if strings.HasSuffix(name, "...") {
			return "(.+)"
		}
		return "([^/]+)"
	})
	rt.path = regexp.MustCompile("^" + expr + "$")
	return rt
}

// creates marks an endpoint that makes content other people see.
func creates(rt route) route {
	rt.content = true
	return rt
}

func (s *Server) match(method, path string) (route, map[string]string, bool) {
	for _, rt := range s.routes {
		m := rt.path.FindStringSubmatch(path)
		if rt.method != method || m == nil {
			continue
		}
		params := map[string]string{}
		for i, name := range rt.names {
			value, err := url.PathUnescape(m[i+1])
			if err != nil {
				value = m[i+1]
			}
			params[name] = value
		}
		return rt, params, true
	}
	return route{}, nil, false
}

// ServeHTTP answers REST requests and git.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case lfsPath.MatchString(r.URL.Path):
		s.serveBatch(w, r)
		return
	case lfsObject.MatchString(r.URL.Path):
		s.serveLarge(w, r)
		return
	}
	if gitPath.MatchString(r.URL.Path) {
		s.serveGit(w, r)
		return
	}
	if strings.HasPrefix(r.URL.Path, oauthPath) {
		s.serveOAuth(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
	if err != nil {
		return // the caller is gone
	}
	c := &call{s: s, r: r, query: r.URL.Query(), body: body, header: http.Header{}}
	c.path = strings.TrimPrefix(r.URL.EscapedPath(), "/api/v3")
	c.path = "/" + strings.Trim(c.path, "/")

	over := s.enter()
	defer s.leave()
	sleep(r.Context(), s.cfg.Latency)
	fault := s.fault(r.Method, c.path)
	if fault != nil {
		sleep(r.Context(), fault.Delay)
		if fault.Drop && !fault.TakesEffect {
			s.record(c, 0, fault)
			panic(http.ErrAbortHandler)
		}
		if fault.Status != 0 && !fault.TakesEffect {
			s.record(c, fault.Status, fault)
			fault.write(w)
			return
		}
	}
	out := s.answer(c, over)
	s.record(c, out.status, fault)
	switch {
	case fault != nil && fault.Drop:
		panic(http.ErrAbortHandler)
	case fault != nil && fault.Status != 0:
		fault.write(w)
	default:
		out.write(w, c.header)
	}
}

// answer renders under the lock as well, as replies share memory with the state.
func (s *Server) answer(c *call, over bool) rendered {
	s.mu.Lock()
	defer s.mu.Unlock()
	rep, err := s.dispatch(c, over)
	return s.finish(c, rep, err)
}

// dispatch finds and runs the handler. The lock is held.
func (s *Server) dispatch(c *call, over bool) (*reply, error) {
	who, err := s.identify(c.r)
	if err != nil {
		return nil, err
	}
	c.who = who
	if err := s.byNumber(c); err != nil {
		return nil, err
	}
	rt, params, found := s.match(c.r.Method, c.path)
	if c.path != "/rate_limit" {
		if err := s.spend(c, rt.content && found, over); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, notFound()
	}
	c.params = params
	if err := s.admit(c, rt); err != nil {
		return nil, err
	}
	return rt.handle(c)
}

// byNumber turns /repositories/{id}/... into /repos/{owner}/{name}/...
func (s *Server) byNumber(c *call) error {
	rest, ok := strings.CutPrefix(c.path, "/repositories/")
	if !ok {
		return nil
	}
	number, rest, _ := strings.Cut(rest, "/")
	id, _ := strconv.ParseInt(number, 10, 64)
	r := s.db.repoByID(id)
	if r == nil {
		return notFound()
	}
	c.path = strings.TrimSuffix("/repos/"+r.fullName()+"/"+rest, "/")
	return nil
}

// admit checks that the caller may use the endpoint, and finds the repository.
func (s *Server) admit(c *call, rt route) error {
	switch {
	case !c.who.app && c.who.token == nil && c.who.user == nil:
		return &apiError{status: 401, message: "Requires authentication"}
	case (rt.by == byUser) != (c.who.user != nil) && rt.by != byAnyone:
		return forbidden("Resource not accessible by integration")
	case rt.by == byApp && !c.who.app:
		return &apiError{status: 401, message: "A JSON web token could not be decoded"}
	case rt.by == byInstallation && c.who.app:
		return forbidden("Resource not accessible by integration")
	}
	if c.who.token != nil && s.lags(c.who.token.made) {
		return forbidden("Resource not accessible by integration")
	}
	if name := c.params["repo"]; name != "" {
		if err := s.findRepo(c, c.params["owner"]+"/"+name); err != nil {
			return err
		}
	}
	if c.who.token != nil && (!c.who.token.may(rt.needs) || s.withheld(c.who.token, rt.needs)) {
		c.header.Set("X-Accepted-GitHub-Permissions", strings.Join(rt.needs, "; "))
		return forbidden("Resource not accessible by integration")
	}
	if c.repo != nil && c.repo.archived && c.r.Method != http.MethodGet {
		return forbidden("Repository was archived so is read-only.")
	}
	return nil
}

func (s *Server) findRepo(c *call, fullName string) error {
	r, err := s.db.repo(fullName)
	if err != nil {
		id, moved := s.db.moved[strings.ToLower(fullName)]
		if !moved || s.db.repoByID(id) == nil {
			return notFound()
		}
		_, rest, _ := strings.Cut(strings.TrimPrefix(c.path, "/repos/"), "/")
		_, rest, _ = strings.Cut(rest, "/")
		target := strings.TrimSuffix(s.api("/repositories/%d/%s", id, rest), "/")
		status := http.StatusMovedPermanently
		if c.r.Method != http.MethodGet {
			status = http.StatusTemporaryRedirect
		}
		return &apiError{status: status, message: "Moved Permanently", header: http.Header{"Location": {target}}}
	}
	if c.who.token != nil && !c.who.token.sees(r) {
		return notFound()
	}
	c.repo = r
	if c.r.Method == http.MethodGet {
		c.repo = s.shown(r)
	}
	return nil
}

// rendered is a reply ready to be written.
type rendered struct {
	status int
	body   []byte
	media  string
}

// finish renders the reply or the error, and answers 304 where the client has it already.
func (s *Server) finish(c *call, rep *reply, err error) rendered {
	c.header.Set("X-GitHub-Request-Id", strings.ToUpper(randomHex(10)))
	c.header.Set("X-GitHub-Media-Type", "github.v3; format=json")
	var fail *apiError
	switch {
	case errors.As(err, &fail):
		for k, v := range fail.header {
			c.header[k] = v
		}
		return rendered{fail.status, encode(fail), jsonMedia}
	case err != nil:
		s.cfg.Logger.Error("simulated github failed", "path", c.path, "err", err)
		return rendered{500, encode(&apiError{status: 500, message: "Server Error"}), jsonMedia}
	case rep.status == 204:
		return rendered{status: 204}
	}
	out := rendered{rep.status, rep.raw, rep.media}
	if rep.media == "" {
		out.body, out.media = encode(rep.body), jsonMedia
	}
	if c.r.Method == http.MethodGet && rep.status == 200 && c.path != "/rate_limit" {
		tag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(out.body))
		c.header.Set("ETag", tag)
		c.header.Set("Cache-Control", "private, max-age=60, s-maxage=60")
		if strings.Contains(c.r.Header.Get("If-None-Match"), strings.TrimPrefix(tag, "W/")) {
			s.refund(c)
			return rendered{status: http.StatusNotModified}
		}
	}
	return out
}

const jsonMedia = "application/json; charset=utf-8"

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own types always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (out rendered) write(w http.ResponseWriter, header http.Header) {
	for k, v := range header {
		w.Header()[k] = v
	}
	if out.media != "" {
		w.Header().Set("Content-Type", out.media)
	}
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body) // the caller may be gone
}
