package world

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Visitor is somebody who follows a link of /link in a browser.
type Visitor struct {
	Slack  string // who is signed in to Slack there; "": nobody, they decline
	GitHub string // likewise
}

var (
	linkAddress = regexp.MustCompile(`https?://[^\s|>()]+/link\?code=[A-Z2-7]{26}`)
	linkForm    = regexp.MustCompile(`<form method="post" action="([^"]*)"><input type="hidden" name="code" value="([^"]*)">`)
	htmlMain    = regexp.MustCompile(`(?s)<main>(.*)</main>`)
	htmlTag     = regexp.MustCompile(`<[^>]*>`)
)

// LinkTo finds the newest address that /link gave to a Slack person.
func (w *World) LinkTo(person string) (string, error) {
	address := ""
	for _, m := range w.Slack.EphemeralsTo(person) {
		if found := linkAddress.FindString(html.UnescapeString(m.Text)); found != "" {
			address = found
		}
	}
	if address == "" {
		return "", fmt.Errorf("%s was given no link", person)
	}
	return address, nil
}

// Follow opens an address of /link in a browser of its own, presses the button,
// signs in, and returns the status and the text of the page that comes last.
func (w *World) Follow(ctx context.Context, address string, v Visitor) (int, string, error) {
	w.Slack.ConsentAs(v.Slack)
	w.GitHub.ConsentAs(v.GitHub)
	jar, err := cookiejar.New(nil)
	if err != nil {
		return 0, "", err
	}
	browser := &http.Client{Jar: jar}
	status, page, err := open(ctx, browser, http.MethodGet, address, nil)
	form := linkForm.FindStringSubmatch(page)
	if err == nil && form != nil {
		status, page, err = open(ctx, browser, http.MethodPost, html.UnescapeString(form[1]), url.Values{"code": {form[2]}})
	}
	return status, visible(page), err
}

func open(ctx context.Context, browser *http.Client, method, address string, form url.Values) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := browser.Do(req)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), errors.Join(err, resp.Body.Close())
}

// visible is what a person reads of a page.
func visible(page string) string {
	if main := htmlMain.FindStringSubmatch(page); main != nil {
		page = main[1]
	}
	return strings.TrimSpace(html.UnescapeString(htmlTag.ReplaceAllString(page, "")))
}
