package github

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Request is one REST request as it came in, without secrets.
type Request struct {
	Time           time.Time         `json:"time"`
	Method         string            `json:"method"`
	Path           string            `json:"path"` // without /api/v3
	Query          url.Values        `json:"query,omitempty"`
	Header         http.Header       `json:"header"`
	Body           any               `json:"body,omitempty"` // decoded JSON
	App            bool              `json:"app"`            // made with the App's JWT
	InstallationID int64             `json:"installation_id,omitempty"`
	RepositoryIDs  []int64           `json:"repository_ids,omitempty"` // of the token; nil: all of the installation
	Permissions    map[string]string `json:"permissions,omitempty"`    // of the token
	Status         int               `json:"status"`                   // 0: the connection was dropped
	Fault          bool              `json:"fault"`                    // answered by an injected fault
}

// Requests lists the REST requests so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ForgetRequests empties the list of Requests and Mints.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.db.mints = nil, nil
}

func (s *Server) record(c *call, status int, fault *Fault) {
	req := Request{
		Time:   s.cfg.Now(),
		Method: c.r.Method,
		Path:   c.path,
		Query:  c.query,
		Header: withoutSecrets(c.r.Header),
		Body:   decoded(c.body),
		App:    c.who.app,
		Status: status,
		Fault:  fault != nil,
	}
	if t := c.who.token; t != nil {
		req.InstallationID, req.RepositoryIDs, req.Permissions = t.installation.id, t.repos, t.permissions
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req)
}

func decoded(body []byte) any {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	return v
}
