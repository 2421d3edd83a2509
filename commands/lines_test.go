package commands

import (
	"strings"
	"testing"
	"time"
)

type comments []struct{ text, want string }

func (c comments) check(t *testing.T) {
	t.Helper()
	for _, test := range c {
		if got := read(test.text); got != test.want {
			t.Errorf("%q is read as %q, want %q", test.text, got, test.want)
		}
	}
}

// However somebody breaks the line: what belongs to a command is not dropped.
func TestWhatStandsBelowACommand(t *testing.T) {
	const dry, split = "deploy env=prod --dry-run=", "! split_command"
	comments{
		// Flags.
		{"/deploy prod\n--dry-run", dry},
		{"/deploy prod\r\n--dry-run", dry},
		{"/deploy prod  \n  --dry-run", dry},
		{"/deploy prod\n    --dry-run", dry},
		{"/deploy prod\n\t--dry-run", dry},
		{"/deploy prod\n\n--dry-run", dry},
		{"/deploy prod\n\n    --dry-run", dry},
		{"/deploy prod\n- --dry-run", dry},
		{"/deploy prod\n* --dry-run", dry},
		{"/deploy prod\n• --dry-run", dry},
		{"/deploy prod\n1. --dry-run", dry},
		{"/deploy prod\n- [ ] --dry-run", dry},
		{"/deploy prod\n`--dry-run`", dry},
		{"/deploy prod\n- `--dry-run`", dry},
		{"/deploy prod\n**--dry-run**", dry},
		{"/deploy prod\n—dry-run", dry},
		{"/deploy prod\n–dry-run", "! not_ascii"},
		{"/deploy prod\n‑‑dry-run", "! not_ascii"},
		{"/deploy prod\n−−dry-run", "! not_ascii"},
		{"/deploy prod\n-dry-run", "! unknown_flag"},
		{"/deploy prod\n- dry-run", "! unknown_flag"},
		{"/deploy prod\n-- dry-run", "! unknown_flag"},
		{"/deploy prod\n--dyr-run", "! unknown_flag"},
		{"/deploy prod\n--Dry-Run", "! unknown_flag"},
		{"/deploy prod\ndry-run", split},
		{"/deploy prod\n\u00a0--dry-run", "! not_ascii"},
		{"/deploy prod\n\u200b--dry-run", "! not_ascii"},
		{"/deploy prod\n--dry-run\n--reason \"a b\"", "deploy env=prod --dry-run= --reason=a b"},
		{"/deploy prod\n--dry-run\nthanks!", dry},
		{"/deploy prod\n--dry-run please", "deploy env=prod ref=please --dry-run="},
		{"/deploy prod\nthanks\n--dry-run", split},
		{"/deploy prod\n\nThanks.\n\n--dry-run", split},
		{"/deploy prod\nplease with --dry-run", split},
		{"/deploy prod\nmain --dry-run", split},
		{"--dry-run\n/deploy prod", split},
		{"/deploy prod\n<!-- x -->\n--dry-run", dry},
		{"/deploy prod <!--\n--> --dry-run", dry},
		{"/deploy prod <!--\n--dry-run\n-->", "deploy env=prod"},
		{"/deploy prod\n```\n--dry-run\n```", dry},
		{"/deploy stg\n/deploy prod\n--dry-run", "deploy env=stg | " + dry},
		{"@shipmate deploy prod\n--dry-run", dry},
		{"**/deploy prod\n--dry-run**", dry},
		{"`/deploy prod\n--dry-run`", dry},
		{"/lock prod\n--for 2h\n--reason \"x\"", "lock env=prod --reason=x --for=2h"},
		{"/lgtm\n--dry-run", "not ours"},

		// Backslashes.
		{"/deploy prod \\\n--dry-run", dry},
		{"/deploy prod \\  \n  --dry-run", dry},
		{"/deploy prod\\\n--dry-run", dry},
		{"/deploy \\\nprod \\\n--dry-run", dry},
		{"/deploy prod \\\nv1.4.0", "deploy env=prod ref=v1.4.0"},
		{"/deploy prod \\", split},
		{"/deploy prod \\\n\n--dry-run", split},
		{"/deploy prod \\\n/status", split + " | status"},
		{"/deploy prod \\\n```\n/deploy stg\n```", split},
		{"/deploy prod \\\n> --dry-run", split},
		{"/deploy prod\n--dry-run \\\n--wait", "deploy env=prod --dry-run= --wait="},

		// Values and quotes.
		{"/deploy prod --reason\n\"big sale\"", "! bad_flag"},
		{"/deploy prod\n--reason\n\"big sale\"", "! bad_flag"},
		{"/deploy prod --at\n22:00", split},
		{"/deploy prod --param\nreplicas=5", split},
		{"/deploy prod --param a=1\nreplicas=5", split},
		{"/deploy prod --reason \"big\nsale\" --dry-run", "deploy env=prod --dry-run= --reason=big\nsale"},
		{"/deploy prod --reason \"big\nsale", "! open_quote"},

		// Arguments.
		{"/deploy\nprod", split},
		{"/deploy\nshop-eu", split},
		{"/deploy\nbeta", "deploy"},
		{"/deploy prod\nv1.4.0", split},
		{"/deploy prod\n\nv1.4.0", split},
		{"/deploy prod\n\n    v1.4.0", split},
		{"/deploy prod\nthanks\nv1.4.0", split},
		{"/deploy prod\n\nthanks\nv1.4.0", "deploy env=prod"},
		{"/deploy prod\n`v1.4.0`", split},
		{"/deploy prod\n- v1.4.0", split},
		{"/deploy prod\nfeature/x", split},
		{"/deploy prod\nmain", split},
		{"/deploy prod\n5a1f0c9d3b7e2846a0c4d8e6f1b3957c2e4a6d80", split},
		{"/deploy prod\n5a1f0c9 please", split},
		{"/rollback prod\nto r-1a2b3c4d", split},
		{"/rollback prod\nr-1a2b3c4d", split},
		{"/promote staging\nto prod", split},
		{"/approve\nr-1a2b3c4d", split},
		{"/approve r-1a2b3c4d\nr-2b3c4d5e", split},
		{"/cancel\nstaging", split},
		{"/unlock prod\nforce", split},

		// What stands around a flag or an argument does not hide it.
		{"/deploy prod\n\"--dry-run\"", split},
		{"/deploy prod\n'--dry-run'", split},
		{"/deploy prod\n“--dry-run”", split},
		{"/deploy prod\n(--dry-run)", split},
		{"/deploy prod\n\n(--dry-run)", split},
		{"/deploy prod\n(--dry-run please)", split},
		{"/deploy prod\n[--dry-run]", split},
		{"/deploy prod\n[--dry-run](https://docs.example)", split},
		{"/deploy prod\n{--dry-run}", split},
		{"/deploy prod\n<--dry-run>", split},
		{"/deploy prod\n\\--dry-run", split},
		{"/deploy prod\n\\-\\-dry-run", split},
		{"/deploy prod\n&#45;&#45;dry-run", split},
		{"/deploy prod\n✅--dry-run", split},
		{"/deploy prod\n\n✅ --dry-run", split},
		{"/deploy prod\n\n:warning: --dry-run", split},
		{"/deploy prod\n<kbd>--dry-run</kbd>", split},
		{"/deploy prod\n- <b><code>--dry-run</code></b>", split},
		{"/deploy prod\n`--dry-run`.", split},
		{"/deploy prod\n`--dry-run` please", split},
		{"/deploy prod\n`--dry-run` `--wait`", split},
		{"/deploy prod\n\"--reason\" \"big sale\"", split},
		{"/deploy prod\n(v1.4.0)", split},
		{"/deploy prod\n[v1.4.0]", split},
		{"/deploy prod\n“v1.4.0”", split},
		{"/deploy prod\n🏷️ v1.4.0", split},
		{"/deploy prod\n<kbd>v1.4.0</kbd>", split},
		{"(--dry-run)\n/deploy prod", split},
		{"/deploy prod\n```\n\"--dry-run\"\n```", split},
		{"/deploy prod\n`--dry-run` was fine before.", "deploy env=prod"},
		{"/deploy prod\n(I tried `--dry-run` before.)", "deploy env=prod"},
		{"/deploy prod\n(thanks!)", "deploy env=prod"},
		{"/deploy prod\n✅ all green", "deploy env=prod"},
		{"/deploy prod\n[SHOP-12](https://tickets.example/SHOP-12)", "deploy env=prod"},

		// Prose stays prose.
		{"/deploy prod\nthanks!", "deploy env=prod"},
		{"/deploy prod\nthanks", "deploy env=prod"},
		{"/deploy prod\nThank you, @octavia!", "deploy env=prod"},
		{"/deploy prod\n:rocket:", "deploy env=prod"},
		{"/deploy prod\n🚀", "deploy env=prod"},
		{"/deploy prod\n+1", "deploy env=prod"},
		{"/deploy prod\n@octavia", "deploy env=prod"},
		{"/deploy prod\nhttps://tickets.example/ABC-1", "deploy env=prod"},
		{"/deploy prod\nv1.4.0 is out, see the notes", "deploy env=prod"},
		{"/deploy prod\nI tried `--dry-run` before.", "deploy env=prod"},
		{"/deploy prod\n\nI tried with --dry-run before.", "deploy env=prod"},
		{"/deploy prod\n---\nthanks", "deploy env=prod"},
		{"/deploy prod\n-- \nMona", "deploy env=prod"},
		{"/deploy prod\n— Mona", "deploy env=prod"},
		{"/deploy prod\n- for the sale\n- at last", "deploy env=prod"},
		{"/deploy prod\n> --dry-run\n\nnot needed", "deploy env=prod"},
		{"/deploy prod\n\n```\nkubectl apply \\\n  --dry-run\n```", "deploy env=prod"},
		{"Checked with v1.4.0\n/deploy prod", "deploy env=prod"},
		{"- all green\n/deploy prod", "deploy env=prod"},
	}.check(t)
}

// A block of code may open behind the mark of a list. It ends with its fence, or
// with the item.
func TestCodeInAList(t *testing.T) {
	const staging = "deploy env=staging"
	comments{
		{"1. ```\n   /deploy prod\n   ```\n\n/deploy staging", staging},
		{"- ```\n  make test\n  ```\n/deploy staging", staging},
		{"- ```sh\n  make\n\n  /deploy prod\n  ```\n- ~~~\n  /deploy prod\n  ~~~\n\n/deploy staging", staging},
		{"* 1. ```\n     /deploy prod\n     ```\n\n/deploy staging", staging},
		{"10. ```\n    /deploy prod\n    ```\n\n/deploy staging", staging},
		{"- ```\n\tmake\n\t```\n/deploy staging", staging},
		{"- ```\n  make\n/deploy staging", staging},
		{"- ```\n  make\n\n/deploy staging", staging},
		{"  - ```\n    make\n    ```\n/deploy staging", staging},
		{"- ```\n  /deploy prod", ""},
		{"- ```\n\n  /deploy prod\n\n  ```", ""},
		{"- ``` ` ```\n\n/deploy staging", staging},
		{"-     ```\n\n/deploy staging", staging},
		{"text\n```\n- ```\n/deploy prod\n```\n/deploy staging", staging},
	}.check(t)
}

// An HTML comment inside a paragraph ends with it; one at the beginning of a
// line goes on. What is code opens none.
func TestWhatOpensAComment(t *testing.T) {
	const staging = "deploy env=staging"
	comments{
		{"I took the stray `<!--` out of the template.\n\n/deploy staging", staging},
		{"I took the stray `<!--` out of the template.\n/deploy staging", staging},
		{"I took the stray ``a ` <!--`` out.\n/deploy staging", staging},
		{"`<!--` is stray.\n/deploy staging", staging},
		{"I took the stray \\<!-- out.\n/deploy staging", staging},
		{"I took the stray <!-- out of the template.\n\n/deploy staging", staging},
		{"stray <!--\n```\na\n\n/deploy prod\n```\n/deploy staging", staging},
		{"stray <!--\n> a\n\n/deploy staging", staging},
		{"stray <!--\n<!-- a\n\n/deploy prod\n-->\n/deploy staging", staging},
		{"text <!-- a\n/deploy prod\nb --> c\n/deploy staging", staging},
		{"a ` b <!-- c\n/deploy prod\n-->\n/deploy staging", staging},
		{"<!-- ` --> text <!-- ` -->\n/deploy staging", staging},
		{"<!-- a\n\n/deploy staging", ""},
		{"text\n<!-- a\n\n/deploy staging", ""},
		{"- <!-- a\n\n/deploy staging", ""},
		{"<!-- a\n\n```\n-->\n/deploy staging", staging},
	}.check(t)
}

func TestMarksAroundACommand(t *testing.T) {
	const prod = "deploy env=prod"
	comments{
		{"`/deploy prod`", prod},
		{"``/deploy prod``", prod},
		{"```/deploy prod```", prod},
		{"**/deploy prod**", prod},
		{"__/deploy prod__", prod},
		{"*/deploy prod*", prod},
		{"_/deploy prod_", prod},
		{"***/deploy prod***", prod},
		{"~~/deploy prod~~", prod},
		{"~/deploy prod~", prod},
		{"**`/deploy prod`**", prod},
		{"~~**_/deploy prod_**~~", prod},
		{"  **/deploy prod**  ", prod},
		{"`@shipmate deploy prod`", prod},
		{"**@shipmate** deploy prod", ""},
		{"@shipmate `deploy prod`", prod},
		{"@shipmate **deploy prod**", prod},
		{"`/deploy prod --reason \"a *b* c\"`", "deploy env=prod --reason=a *b* c"},
		{"_/deploy my_env_", "deploy env=my_env"},
		{"`/\u0064eploy\u00a0prod`", "! not_ascii"},
		{"/deploy prod <!-- x -->", prod},
		{"/deploy <!-- x --> prod", prod},
		{"/deploy prod<!-- x -->", prod},
		{"/deploy prod <!-- x", prod},
		{"/deploy prod <!-- x -->\nthanks!", prod},
		{"`/deploy prod` <!-- x -->", prod},
		{"@shipmate deploy prod <!-- x -->", prod},
		{"/deploy prod <!-- a\n/deploy stg\nb -->", prod},
		{"/deploy prod <!--> --dry-run", "deploy env=prod --dry-run="},
		{"@shipmate\ndeploy prod", prod},
		{"@shipmate:\n/deploy prod", prod},
		{"@shipmate\nthanks a lot", "not ours"},
		{"@shipmate\n\ndeploy prod", ""},

		// Indented, but no code, for it goes on with a paragraph.
		{"please\n    /deploy prod", prod},
		{"please\n\t/deploy prod", prod},
		{"please\n\n    /deploy prod", ""},
		{"# please\n    /deploy prod", ""},
		{"- please\n    /deploy prod", ""},
		{"- please\n  now\n    /deploy prod", ""},
		{"/deploy prod\n    /status", prod + " | status"},
		{"> please\n    /deploy prod", ""},

		// A mark inside a line is prose.
		{"`/deploy prod` and `/status`", ""},
		{"`/deploy prod` deploys", ""},
		{"**/deploy** and **/status**", ""},
		{"**/deploy prod** is what you say", ""},
		{"**/deploy prod", ""},
		{"\\/deploy prod", ""},
		{"\"/deploy prod\"", ""},
	}.check(t)
}

// A line that names a command is answered, whatever it has that cannot be seen.
func TestWhatCannotBeSeen(t *testing.T) {
	var odd []rune
	for _, r := range []struct{ from, to rune }{
		{0x1, 0x8}, {0xb, 0xc}, {0xe, 0x1f}, {0x7f, 0xa0}, {0xad, 0xad}, {0x300, 0x36f}, {0x61c, 0x61c}, {0x1160, 0x1160}, {0x1680, 0x1680}, {0x180b, 0x180e}, {0x2000, 0x200f},
		{0x2028, 0x202f}, {0x205f, 0x2064}, {0x2066, 0x206f}, {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0x115f, 0x115f}, {0x488, 0x489}, {0x20dd, 0x20e0}, {0x17b4, 0x17b5}, {0x1d159, 0x1d159}, {0x1d173, 0x1d17a}, {0x13441, 0x13442}, {0xe000, 0xe000}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
		{0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xe0100, 0xe0100},
	} {
		for c := r.from; c <= r.to; c++ {
			odd = append(odd, c)
		}
	}
	places := []string{"_/deploy prod", "/_deploy prod", "/dep_loy prod", "/deploy_ prod", "/deploy _prod", "/deploy pr_od", "/deploy prod_", "/deploy_prod",
		"_@shipmate deploy prod", "@ship_mate deploy prod", "@shipmate_ deploy prod", "@shipmate _deploy prod", "@shipmate de_ploy prod", "@shipmate_deploy prod",
		" _/deploy prod", "/deploy prod\n_--dry-run", "/deploy prod\n--dry_-run", "/deploy prod --dry-run_", "/deploy prod --reason x_--dry-run"}
	for _, r := range odd {
		for _, place := range places {
			text := strings.ReplaceAll(place, "_", string(r))
			got := read(text)
			visible := readAs(r) == " " && strings.Contains(place, "p_") // it tears a word in two
			if prose := strings.Contains(place, "x_") && readAs(r) == "" && got == "deploy env=prod --reason=x"+string(r)+"--dry-run"; prose {
				continue // one word for everybody
			}
			if !strings.HasPrefix(got, "! ") && !visible {
				t.Errorf("%q (U+%04X) is read as %q", text, r, got)
			}
		}
	}
}

func TestLettersThatLookAlike(t *testing.T) {
	const odd = "! not_ascii"
	comments{
		{"／ｄｅｐｌｏｙ prod", odd},
		{"/ｄeploy prod", odd},
		{"/𝐝𝐞𝐩𝐥𝐨𝐲 prod", odd},
		{"/ⓓⓔⓟⓛⓞⓨ prod", odd},
		{"∕deploy prod", odd},
		{"⁄deploy prod", odd},
		{"＠shipmate deploy prod", odd},
		{"@shіpmate deploy prod", odd},
		{"/dеplоy prod", odd},
		{"/ԁерӏоу prod", odd},
		{"/déploy prod", odd},
		{"/de\u0301ploy prod", odd},
		{"/dep\xffloy prod", odd},
		{"/ﬆatus", odd},
		{"/рrоmоtе staging prod", odd},
		{"/dęploy prod", odd},
		{"/dηploy prod", odd},
		{"/statuѕ", odd},
		{"please\u2028/deploy prod", odd},
		{"please\u2029@shipmate deploy prod", odd},
		{"please\v/deploy prod", odd},
		{"please\f/deploy prod", odd},
		{"please\u0085/deploy prod", odd},
		{"/deploy&nbsp;prod", "! unknown_command"},
		{"/deploy: prod", "! unknown_command"},
		{"/deploy, prod", "! unknown_command"},
		{"/привет prod", "not ours"},
		{"/部署部署部署 prod", "not ours"},
		{"/\u200blgtm", "not ours"},
		{"\ufeff/lgtm", "not ours"},
	}.check(t)
}

func TestOtherBots(t *testing.T) {
	set := All(Desk{})
	for _, word := range others {
		if _, ours := set.Find(word); ours {
			continue
		}
		if got := read("/" + word); got != "not ours" {
			t.Errorf("/%s is read as %q", word, got)
		}
	}
	comments{
		{"/retest", "not ours"},
		{"/retest-required", "not ours"},
		{"/RETEST", "not ours"},
		{"/block", "not ours"},
		{"/unblock", "not ours"},
		{"/improve", "not ours"},
		{"/remote", "not ours"},
		{"/who", "not ours"},
		{"/why-not", "not ours"},
		{"/unhold", "not ours"},
		{"/line", "not ours"}, // one letter off /link, which works on Slack alone
		{"/ink", "not ours"},
		{"/links", "not ours"},
		{"/pink", "not ours"},
		{"/link --remove now", "! extra_argument"},
		{"/log", "not ours"},
		{"/Lint", "not ours"},
		{"/lint all", "not ours"},
		{"/stats", "not ours"},
		{"/state", "not ours"},
		{"/helm diff", "not ours"},
		{"/clock", "not ours"},
		{"/blocks", "not ours"},
		{"/login", "not ours"},
		{"/look", "not ours"},
		{"/docs", "not ours"},
		{"/test", "not ours"},
		{"/employ", "not ours"},
		{"atlantis plan", ""},
		{".deploy prod", ""},
		{"recheck", ""},
		{"@dependabot rebase", ""},
		{"@mergifyio queue", ""},
		{"/logs/app.log", "not ours"},
		{"/logs/", "not ours"},
		{"/deploys prod", "! unknown_command"},
		{"/hlep", "! unknown_command"},
		{"/wyh prod", "! unknown_command"},
		{"/overide r-1 freeze", "! unknown_command"},
		{"/Statsu", "! unknown_command"},
		{"/logs:", "! unknown_command"},
	}.check(t)
	for line, want := range map[string]bool{
		"/approve no-issue": true, "/approve cancel": true, "/Approve CANCEL": true, "/approve": false, "/approve r-1": false,
		"/override ci/prow/e2e": true, "/override dco": true, "/override Verify Pull Request": true,
		"/override r-1": false, "/override r-1 freeze": false, "/override freeze": false, "/override prod freeze": false, "/override x --reason y": false, "/override x —reason y": false, "/override": false,
		"/lock": false, "/retry": false, "/help cancel": false, "/cancel": false, "/ok-to-test": false,
	} {
		if Others(line) != want {
			t.Errorf("%s is another bot's: %v, want %v", line, !want, want)
		}
	}
}

func TestLongCommands(t *testing.T) {
	umlauts := strings.Repeat("ä", 3900)
	comments{
		{"/deploy prod --reason \"" + umlauts + "\"", "deploy env=prod --reason=" + umlauts},
		{"/deploy prod --reason \"" + umlauts + umlauts + "\"", "! too_long"},
		{"/deploy prod\n\n" + strings.Repeat("Many words. ", 2000), "deploy env=prod"},
	}.check(t)
}

// The longest comment of any shape is read in a moment; reading it word by word
// from each place anew took minutes.
func TestLongCommentsAreReadAtOnce(t *testing.T) {
	const longest = 65536 // characters of a comment on GitHub
	set := All(Desk{})
	for _, part := range []string{"a\u2028", "*/a\n", "*_", "`a", "a\n", "\\\n", "\n\n--wait", "<!--", "<!---->", "/а\n"} {
		for _, begin := range []string{"", "/deploy prod \"", "/deploy prod \\\n"} {
			text := begin + strings.Repeat(part, longest/len([]rune(part)))
			began := time.Now()
			for _, line := range Lines(text, "shipmate") {
				_, _ = set.Parse(line) // whatever it says
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%q again and again, after %q, took %s", part, begin, took)
			}
		}
	}
}
