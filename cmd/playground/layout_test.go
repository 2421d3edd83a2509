package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/shipmate/shipmate/test/sim/github"
)

// as is the tab for a part of a test.
func (b *tab) as(t *testing.T) *tab { return &tab{t: t, ctx: b.ctx} }

func (b *tab) reload() {
	b.t.Helper()
	b.do(chromedp.Reload())
	b.wait(`document.querySelector('#guide-count')?.textContent !== '' && document.querySelector('#head') !== null`)
}

// ask evaluates JavaScript.
func ask[T any](b *tab, expression string, args ...any) T {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](fmt.Sprintf(expression, args...)))
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// The page looks and behaves the same after a reload, in any window.
func TestPage(t *testing.T) {
	chromium(t)
	p := start(t)
	b := open(t, p.URL)
	b.wait(`document.querySelector('#head') !== null`)
	for _, part := range []struct {
		name string
		test func(b *tab, p *Playground)
	}{
		{"a row of the guide is a button as a whole", wholeRows},
		{"Ctrl+Enter and Cmd+Enter send", sends},
		{"what goes wrong is told beside everything else", coversNothing},
		{"titles of checks show code and no marks", titles},
		{"a reload keeps to the end and follows", follows},
		{"a terminal deploys with the lines it is shown", inATerminal},
		{"a reload keeps ticks", ticks},
		{"a form is sent with Ctrl+Enter too", sendsForm},
		{"every window shows what belongs into it", windows},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(b.as(t), p) })
	}
	b.quiet()
}

func wholeRows(b *tab, _ *Playground) {
	b.click("#step-typo .what")
	b.done("typo")
	for _, place := range []string{"r.left + 3", "r.right - 3"} {
		if !ask[bool](b, `(() => { const r = document.querySelector('#step-diff').getBoundingClientRect();
			return document.elementFromPoint(%s, r.top + r.height / 2).closest('button')?.id === 'do-diff' })()`, place) {
			b.t.Errorf("at %s of the row there is no button", place)
		}
	}
}

func sends(b *tab, _ *Playground) {
	for _, c := range []struct {
		box string
		key chromedp.Modifier
	}{
		{"comment", chromedp.ModifierCtrl}, {"comment", chromedp.ModifierMeta},
		{"slash", chromedp.ModifierCtrl}, {"slash", chromedp.ModifierMeta},
	} {
		text := fmt.Sprintf("/history with %s and %d", c.box, c.key)
		b.click("#" + c.box)
		b.do(chromedp.SendKeys(chromedp.CSS("#"+c.box), text), chromedp.KeyEvent("\r", chromedp.KeyModifiers(c.key)))
		b.wait(`document.querySelector('#' + %s).value === ''`, c.box)
	}
	b.wait(`[...document.querySelectorAll('.comment .markdown')]
		.filter(e => e.textContent.startsWith('/history with comment and')).length === 2`)
	b.do(chromedp.SendKeys(chromedp.CSS("#comment"), "one"),
		chromedp.KeyEvent("\r", chromedp.KeyModifiers(chromedp.ModifierShift)),
		chromedp.SendKeys(chromedp.CSS("#comment"), "two"))
	if got := ask[string](b, `document.querySelector('#comment').value`); got != "one\ntwo" {
		b.t.Errorf("Shift+Enter makes %q", got)
	}
	ask[string](b, `document.querySelector('#comment').value = ''`)
}

// sendsForm: what holds for the boxes holds for the forms of Slack.
func sendsForm(b *tab, _ *Playground) {
	b.say("slash", "mona", "/deploy prod summer-sale")
	b.sees(".message .actions", "to prod")
	b.click(".message:last-child .actions button.primary")
	b.sees(".message .actions", "Reject")
	b.click("#slash-as label:has([value=octavia])")
	b.click(".message .actions button.danger:nth-child(2)")
	b.do(chromedp.SendKeys(chromedp.CSS("#field-reason"), "not today"),
		chromedp.KeyEvent("\r", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.sees(".message", "Rejected by octavia: not today")
}

// coversNothing: what the page says takes room of its own.
func coversNothing(b *tab, _ *Playground) {
	for _, width := range []int64{1600, 1100, 390} {
		b.do(chromedp.EmulateViewport(width, 800))
		b.click("#do-approve")
		b.wait(`(e => e.textContent.includes('Nothing waits for approval') && e.offsetHeight > 0)(document.querySelector('#toast'))`)
		covered := ask[[]string](b, `(() => { const t = document.querySelector('#toast').getBoundingClientRect();
			return [...document.querySelectorAll('.top, main, .log')].filter(e => { const r = e.getBoundingClientRect();
				return r.left < t.right && t.left < r.right && r.top < t.bottom - 0.5 && t.top + 0.5 < r.bottom;
			}).map(e => e.className || e.tagName) })()`)
		seen := ask[bool](b, `(t => t.top >= 0 && t.bottom <= innerHeight)(document.querySelector('#toast').getBoundingClientRect())`)
		if len(covered) > 0 || !seen {
			b.t.Errorf("at %d pixels it covers %q; in sight: %v", width, covered, seen)
		}
	}
	b.do(chromedp.EmulateViewport(1440, 900))
}

func titles(b *tab, p *Playground) {
	ci, err := p.World.GitHub.AddApp("their-ci", 0)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := p.state()
	if err != nil {
		b.t.Fatal(err)
	}
	sha := s.GitHub.PullRequests[0].HeadSHA
	text := func(s string) *string { return &s }
	_, err = ci.CreateCheckRun(p.repo, github.CheckRunRequest{
		Name: text("unit"), HeadSHA: &sha, Status: text("completed"), Conclusion: text("failure"),
		Output: &github.CheckOutput{
			Title:   text("`npm **test**` failed: **2** of [10](https://example.com) in snake_case_name &amp; \\*"),
			Summary: text("<details><summary>Log of <code>a &lt; b</code></summary>\n\nlines\n</details>"),
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.check("unit", "failure")
	if got := b.text(`[data-check=unit] .title`); got != "npm **test** failed: 2 of 10 in snake_case_name & *" {
		b.t.Errorf("the title is %q", got)
	}
	if got := b.text(`[data-check=unit] .title code`); got != "npm **test**" {
		b.t.Errorf("code in the title is %q", got)
	}
	if got := b.text(`[data-check=unit] .more summary`); got != "Log of a < b" {
		b.t.Errorf("the summary of the details is %q", got)
	}
}

func follows(b *tab, p *Playground) {
	const atEnd = `(e => e.scrollHeight > e.clientHeight && e.scrollHeight - e.scrollTop - e.clientHeight < 5)` +
		`(document.querySelector('#conversation'))`
	say := func(text string) {
		b.t.Helper()
		if err := p.comment(b.t.Context(), act{As: "eve", Text: text}); err != nil {
			b.t.Fatal(err)
		}
		b.sees(".comment", strings.Fields(text)[0])
	}
	say("First" + strings.Repeat("\n\nand more", 30))
	b.wait(atEnd)
	b.reload()
	b.wait(atEnd)
	say("Second" + strings.Repeat("\n\nand more", 10))
	b.wait(atEnd)
	ask[int](b, `document.querySelector('#conversation').scrollTop = 0`)
	b.wait(`document.querySelector('#conversation').sticks.end === false`)
	say("Third")
	if top := ask[float64](b, `document.querySelector('#conversation').scrollTop`); top != 0 {
		b.t.Errorf("a reader at the top is moved to %v", top)
	}
}

func inATerminal(b *tab, _ *Playground) {
	b.click("#do-terminal")
	lines := b.text("#step-terminal pre")
	b.shoot("terminal")
	out, err := exec.CommandContext(b.t.Context(), "sh", "-e", "-c", lines).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "deploy succeeded") || !strings.Contains(string(out), "prod") {
		b.t.Fatalf("%s\nsays %v:\n%s", lines, err, out)
	}
	b.done("terminal")
	b.click("#do-terminal")
	b.wait(`document.querySelector('#step-terminal pre') === null`)
}

// ticks stay though what they were given for is gone from the page.
func ticks(b *tab, p *Playground) {
	b.click("#do-staging")
	b.done("staging")
	b.click("#do-break")
	b.check("shipmate/checks", "failure")
	b.done("break")
	b.reload()
	for _, step := range []string{"staging", "terminal", "break"} {
		b.done(step)
	}
	b.wait(`document.querySelector('[data-check="shipmate/deploy/staging"]') === null`)
	b.click("#do-fix")
	b.done("fix")
	ask[string](b, `(kept => { kept.playground = 'another'; localStorage.setItem('guide', JSON.stringify(kept)); return '' })`+
		`(JSON.parse(localStorage.getItem('guide')))`)
	b.reload()
	b.done("typo") // still on the page
	if ask[bool](b, `document.querySelector('#step-staging').classList.contains('done')`) {
		b.t.Error("the tick of another playground is shown")
	}
}

// outOfSight lists what of these cannot be seen whole, or is too small to use.
const outOfSight = `['.guide', '#guide', '.side .site:nth-of-type(2)', '.side .site:nth-of-type(3)',
	'#comment', '#slash', '#conversation', '#messages'].filter(s => {
	const r = document.querySelector(s).getBoundingClientRect();
	return r.left < 0 || r.top < 0 || r.right > innerWidth || r.bottom > innerHeight || r.width < 100 || r.height < 30 })`

// sticksOut lists what is wider than its panel.
const sticksOut = `[...document.querySelectorAll('.panel *:not(pre *, pre, table *, table, iframe)')].filter(e => {
	const r = e.getBoundingClientRect(), p = e.closest('.panel').getBoundingClientRect();
	return r.width > 1 && (r.right > p.right + 1 || r.left < p.left - 1) }).map(e => e.outerHTML.slice(0, 100))`

func windows(b *tab, _ *Playground) {
	for _, theme := range []string{"light", "dark"} {
		b.theme(theme)
		for _, width := range []int64{1600, 1100, 900, 700, 390} {
			b.do(chromedp.EmulateViewport(width, 800))
			b.shoot(fmt.Sprintf("%d-%s", width, theme))
			if ask[int](b, `document.documentElement.scrollWidth - innerWidth`) > 0 {
				b.t.Errorf("at %d pixels the page scrolls to the side", width)
			}
			if hidden := ask[[]string](b, outOfSight); width >= 700 && len(hidden) > 0 {
				b.t.Errorf("at %d pixels %q are out of sight", width, hidden)
			}
			if wide := ask[[]string](b, sticksOut); len(wide) > 0 {
				b.t.Errorf("at %d pixels these stick out of their panels: %q", width, wide)
			}
			columns := ask[int](b, `new Set([...document.querySelectorAll('.panel')].map(e => e.getBoundingClientRect().left)).size`)
			if (columns == 1) != (width < 700) {
				b.t.Errorf("at %d pixels there are %d columns", width, columns)
			}
		}
	}
	b.theme("light")
	b.do(chromedp.EmulateViewport(1440, 900))
}
