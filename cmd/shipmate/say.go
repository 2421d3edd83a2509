package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/pipeline"
)

// document is what --output json prints.
type document struct {
	ID       string   `json:"id,omitempty"` // of the command
	Outcome  string   `json:"outcome"`      // done, refused; failed: it was not asked or not answered
	Code     string   `json:"code,omitempty"`
	Text     string   `json:"text"`
	Run      string   `json:"run,omitempty"`
	Followed *api.Run `json:"followed,omitempty"` // how the run it started stood at last
}

// say says a line to the bot, shows the answer and follows the run it started.
func (o *remote) say(cmd *cobra.Command, text string) error {
	if err := oneOf("--output", o.output, "text", "json"); err != nil {
		return &usageError{err}
	}
	c, err := o.client(os.Getenv)
	if err != nil {
		return &usageError{err}
	}
	ctx := cmd.Context()
	said := api.Command{Text: text, Repo: o.repo, PR: o.pr}
	if o.repo == "" {
		said.DefaultRepo = cloneOf(ctx, cmp.Or(os.Getenv("SHIPMATE_GITHUB_CLONE_URL"), "https://github.com"))
	}
	f := &follower{client: c, term: newTerminal(cmd.OutOrStdout(), false), quiet: o.output == "json"}
	var doc document
	err = f.converse(ctx, said, o.noFollow, &doc)
	if o.output != "json" {
		return err
	}
	if err != nil && doc.Outcome == "" {
		doc.Outcome, doc.Code, doc.Text = "failed", pipeline.Code(err), err.Error()
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return errors.Join(err, enc.Encode(doc))
}

// converse says it, waits for the answer, and follows.
func (f *follower) converse(ctx context.Context, said api.Command, noFollow bool, doc *document) error {
	var accepted api.Accepted
	if err := f.client.post(ctx, "/api/v1/commands", rand.Text(), said, &accepted); err != nil {
		return interrupted(ctx, err, "Stopped before the bot had taken it; whether it did is not known.")
	}
	doc.ID = accepted.ID
	a, err := f.answer(ctx, accepted.ID)
	if err != nil {
		return interrupted(ctx, err, "Stopped waiting for the answer. The command is on the bot's queue, and will be done.")
	}
	doc.Outcome, doc.Code, doc.Text, doc.Run = a.Outcome, a.Code, a.Text, a.Run
	if a.Outcome != string(bot.Done) {
		return errors.New((&terminal{}).markdown(atPrompt("", cmp.Or(a.Text, "Refused ("+a.Code+")."))))
	}
	if !f.quiet && a.Text != "" {
		fmt.Fprintln(f.term.out, f.term.markdown(atPrompt("", a.Text)))
	}
	if noFollow || a.Run == "" {
		return nil
	}
	return f.follow(ctx, a.Run, doc)
}

func (f *follower) answer(ctx context.Context, id string) (a api.Answer, err error) {
	for err == nil && !a.Done {
		err = f.client.get(ctx, "/api/v1/commands/"+url.PathEscape(id)+"?wait=25s", &a)
	}
	return a, err
}

// interrupted is what is said after Ctrl-C, else err.
func interrupted(ctx context.Context, err error, text string) error {
	if ctx.Err() != nil {
		return errors.New(text)
	}
	return err
}

var (
	scpForm  = regexp.MustCompile(`^(?:[^@/]+@)?([^:/]+):([^/].*)$`)
	repoForm = regexp.MustCompile(`^/?([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+?)(?:\.git)?/?$`)
)

// cloneOf is owner/name of the clone we stand in, if its origin is on the
// GitHub at that address; else "".
func cloneOf(ctx context.Context, web string) string {
	origin, err := git(ctx, ".", nil, "remote", "get-url", "origin")
	if err != nil {
		return ""
	}
	return repoAt(origin, web)
}

func repoAt(origin, web string) string {
	at, err := url.Parse(web)
	if err != nil {
		return ""
	}
	u, err := url.Parse(origin)
	if m := scpForm.FindStringSubmatch(origin); m != nil && (err != nil || u.Host == "") {
		u, err = &url.URL{Scheme: "ssh", Host: m[1], Path: m[2]}, nil
	}
	if err != nil {
		return ""
	}
	same := strings.EqualFold(u.Host, at.Host)
	if u.Scheme == "ssh" { // its port says nothing about the web's
		same = strings.EqualFold(u.Hostname(), at.Hostname())
	}
	m := repoForm.FindStringSubmatch(u.Path)
	if !same || m == nil {
		return ""
	}
	return m[1]
}
