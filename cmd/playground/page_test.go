package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/shipmate/shipmate/test/needs"
)

var pictures = flag.String("pictures", "", "write pictures of the page to this folder")

// start makes a playground on free ports, after its first deploys.
func start(t *testing.T) *Playground {
	t.Helper()
	dir := t.TempDir()
	binary, err := build(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(t.Context(), Config{Dir: dir, Binary: binary, Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if text, err := os.ReadFile(dir + "/bot.log"); t.Failed() && err == nil {
			t.Logf("log of the bot:\n%s", text)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.waitFor(ctx, func(s State) bool { return s.Scene == "" }); err != nil {
		s, stateErr := p.state()
		t.Fatalf("the first deploys: %v; it says %q (%v)", err, s.Scene, stateErr)
	}
	return p
}

// tab is the page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the browser complained about
}

func chromium(t *testing.T) string {
	t.Helper()
	needs.On(t, needs.Chromium())
	return needs.ChromiumPath()
}

func open(t *testing.T, url string) *tab {
	t.Helper()
	b := &tab{t: t}
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithListener(b.listen),
		chromedp.WithAllocatorOptions(chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WindowSize(1440, 900)))
	t.Cleanup(cancel)
	b.ctx = ctx
	b.do(chromedp.EmulateViewport(1440, 900))
	b.theme("light")
	if _, err := chromedp.Call(b.ctx, cdplog.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(url))
	return b
}

func (b *tab) theme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) listen(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem = e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			problem = fmt.Sprintf("%s: %v", e.Type, e.Args)
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			problem = e.Entry.Text + " " + e.Entry.URL
		}
	}
	if problem == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, problem)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// patience is longer than a minute: the bot waits that long when it has written
// as often as GitHub allows in one.
const patience = 90 * time.Second

// wait waits until a JavaScript condition holds.
func (b *tab) wait(condition string, args ...any) {
	b.t.Helper()
	for i, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			b.t.Fatal(err)
		}
		args[i] = text
	}
	condition = fmt.Sprintf(condition, args...)
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(patience))); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`)) // for people who read the failure
		b.shoot("failed")
		b.t.Fatalf("wait for %s: %v; the page says:\n%s\nproblems: %q", condition, err, text, b.problems)
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// say types into one of the boxes and sends it.
func (b *tab) say(box, as, text string) {
	b.t.Helper()
	b.click(fmt.Sprintf("#%s-as label:has([value=%s])", box, as))
	b.do(chromedp.SendKeys(chromedp.CSS("#"+box), text+"\r"))
	b.wait(`document.querySelector('#' + %s).value === ''`, box)
}

// check waits until a check has a state.
func (b *tab) check(name, state string) {
	b.t.Helper()
	b.wait(`document.querySelector('[data-check="' + %s + '"]')?.dataset.state === %s`, name, state)
}

// done waits until a step of the guide is ticked.
func (b *tab) done(step string) {
	b.t.Helper()
	b.wait(`document.querySelector('#step-' + %s).classList.contains('done')`, step)
}

// sees waits until a text is somewhere in an element.
func (b *tab) sees(selector, text string) {
	b.t.Helper()
	b.wait(`[...document.querySelectorAll(%s)].some(e => e.textContent.includes(%s))`, selector, text)
}

// runs waits until the frame of an environment shows a commit, and that is what is served.
func (b *tab) runs(env, commit, words string) {
	b.t.Helper()
	b.wait(`document.querySelector('#site-' + %s)?.src.endsWith('?at=' + %s)`, env, commit)
	page, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`fetch(document.querySelector('#site-%s').src).then(r => r.text())`, env), chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(page, words) || !strings.Contains(page, commit) {
		b.t.Errorf("%s does not show %q of %s:\n%s", env, words, commit, page)
	}
}

// shoot takes a picture, if pictures are wanted.
func (b *tab) shoot(name string) {
	b.t.Helper()
	if *pictures == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// pictures are for the manual: both themes, and the smallest screen.
func (b *tab) pictures() {
	b.t.Helper()
	b.do(chromedp.Blur(chromedp.CSS("#slash")))
	b.shoot("approve")
	b.theme("dark")
	b.shoot("dark")
	b.theme("light")
	b.do(chromedp.EmulateViewport(1280, 800))
	b.shoot("small")
	b.do(chromedp.EmulateViewport(1440, 900))
}

func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.problems) > 0 {
		b.t.Errorf("the browser complains: %q", b.problems)
	}
}

// The tour that the page suggests, by hand.
func TestTour(t *testing.T) {
	chromium(t)
	p := start(t)
	b := open(t, p.URL)
	b.wait(`document.querySelector('#head') !== null`)
	head, base := b.text("#head"), b.text("#running-prod")
	b.check("shipmate/checks", "success")
	b.runs("prod", base, "Version 1.4.0")

	b.say("comment", "mona", "/deploy staging")
	b.check("shipmate/deploy/staging", "success")
	b.sees(".comment.bot", "Deploy of shop to staging")
	b.sees(".message", head+" · summer-sale")
	b.wait(`document.querySelector(".message .icon.good") !== null`)
	b.runs("staging", head, "Summer sale")

	b.click("#do-diff")
	b.done("diff")
	b.sees(".comment.bot", "would bring 1 commit")

	b.say("slash", "mona", "/deploy prod summer-sale")
	b.sees(".message .actions", "Deploy "+head+" to prod")
	b.click(".message .actions button.primary")
	b.sees(".message .actions", "Approve")
	b.pictures()
	b.click("#do-why")
	b.done("why")
	b.click("#slash-as label:has([value=octavia])")
	b.click(".message .actions button.primary")
	b.click("#dialog-yes")
	b.runs("prod", head, "Summer sale")
	b.check("shipmate/deploy/prod", "success")
	b.sees(".message", "Approved by octavia")

	b.click("#do-rollback")
	b.done("rollback")
	b.runs("prod", base, "Version 1.4.0")
	b.click("#do-unlock")
	b.done("unlock")
	b.click("#do-promote")
	b.done("promote")
	b.say("slash", "mona", "/cancel prod")

	b.click("#do-break")
	b.check("shipmate/checks", "failure")
	b.sees(".comment.bot pre", "products.txt:3: Deck lamp: the price is 0.00, and must be more than 0")
	b.click("#do-undo")
	b.check("shipmate/deploy/staging", "failure")
	b.runs("staging", head, "Summer sale")
	b.sees(".check .more", "products.txt:3: Deck lamp")
	b.sees(".message", "release rolled back")
	b.shoot("undone")
	b.click("#do-fix")
	b.check("shipmate/checks", "success")
	b.done("fix")
	b.shoot("end")
	b.quiet()
}

// Questions and mistakes are answered, and what people type is shown as they
// typed it: in a comment, and in a form.
func TestAnswers(t *testing.T) {
	chromium(t)
	p := start(t)
	b := open(t, p.URL)
	for _, step := range []string{"typo", "status", "stranger"} {
		b.click("#do-" + step)
		b.done(step)
	}
	b.say("slash", "mona", "/deploy prod summer-sale")
	b.sees(".message .actions", "to prod")
	b.click(".message .actions button.primary")
	b.sees(".message .actions", "Reject")
	b.click("#slash-as label:has([value=octavia])")
	b.click(".message .actions button.danger:nth-child(2)")
	b.do(chromedp.SendKeys(chromedp.CSS("#field-reason"), "on <b>Friday</b>?\r"))
	b.sees(".message", "Rejected by octavia: on <b>Friday</b>?")

	b.say("comment", "eve", "<img src=x onerror=alert(1)> [here](javascript:alert) <details open>")
	b.sees(".comment", "<img src=x onerror=alert(1)> here <details open>")
	b.wait(`document.querySelector('.comment .markdown img, a[href^=javascript]') === null`)
	b.quiet()
}
