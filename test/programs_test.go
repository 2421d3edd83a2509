package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/test/world"
)

// A program speaks over the API, as mona: "api> ..." as on Slack, "api
// acme/shop> ..." as in a comment there, "api acme/shop#1> ..." as on the pull
// request. "cli" is the same with the header of the command line.

var nobody = form(`given the API's token stands for nobody`)

// answer is what a program heard.
type answer struct{ to, text string }

func program(s *stage, a action) error {
	repo, number, _ := strings.Cut(a.where, "#")
	body := map[string]any{"text": a.text}
	if repo != "" {
		body["repo"] = repo
	}
	if number != "" {
		pr, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		body["pr"] = pr
	}
	var accepted struct{ ID, Code, Message string }
	if err := s.call(a.who, http.MethodPost, "/api/v1/commands", body, &accepted); err != nil {
		return err
	}
	if accepted.Code != "" {
		s.answers = append(s.answers, answer{a.who, fmt.Sprintf("%s: %s", accepted.Code, accepted.Message)})
		return nil
	}
	var heard struct {
		Done               bool
		Outcome, Code, Run string
		Text               string
	}
	if err := s.call(a.who, http.MethodGet, "/api/v1/commands/"+accepted.ID+"?wait=30s", nil, &heard); err != nil {
		return err
	}
	if !heard.Done {
		return fmt.Errorf("no answer")
	}
	about := strings.Join(strings.Fields(heard.Outcome+" "+heard.Code+" "+heard.Run), " ")
	s.answers = append(s.answers, answer{a.who, "[" + about + "] " + heard.Text})
	return nil
}

func (s *stage) call(who, method, path string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(s.ctx, method, s.w.URL+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+world.APIToken)
	req.Header.Set("Content-Type", "application/json")
	if who == "cli" {
		req.Header.Set("X-Shipmate-Client", who)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(into)
}
