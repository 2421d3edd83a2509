package commands

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

// read is what a comment is understood as: its commands, each with arguments
// and flags, or the reason code of what is wrong with it.
func read(text string) string {
	set := All(Desk{})
	var out []string
	for _, line := range Lines(text, "shipmate") {
		l, err := set.Parse(line)
		switch {
		case errors.Is(err, ErrNotOurs):
			out = append(out, "not ours")
		case err != nil:
			out = append(out, "! "+pipeline.Code(err))
		default:
			out = append(out, spell(l))
		}
	}
	return strings.Join(out, " | ")
}

// spell writes a line in the order of its help.
func spell(l Line) string {
	h := l.Command.Help()
	words := []string{h.Name[1:]}
	for _, a := range h.Args {
		if v, ok := l.Args[a.Name]; ok {
			words = append(words, a.Name+"="+v)
		}
	}
	for _, f := range h.Flags {
		for _, v := range l.Flags[f.Name] {
			words = append(words, "--"+f.Name+"="+v)
		}
	}
	return strings.Join(words, " ")
}

func TestComments(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		// What a command is.
		{"/deploy staging", "deploy env=staging"},
		{" /deploy staging", "deploy env=staging"},
		{"  /deploy staging", "deploy env=staging"},
		{"   /deploy staging", "deploy env=staging"},
		{"    /deploy staging", ""},
		{"\t/deploy staging", ""},
		{"/deploy staging   ", "deploy env=staging"},
		{"/deploy   staging", "deploy env=staging"},
		{"/deploy\tstaging", "deploy env=staging"},
		{"/Deploy staging", "deploy env=staging"},
		{"/DEPLOY STAGING", "deploy env=STAGING"},
		{"please\n/deploy staging\nthank you", "deploy env=staging"},
		{"please /deploy staging", ""},
		{"-/deploy staging", ""},
		{"/ deploy staging", ""},
		{"//deploy staging", ""},
		{"/", ""},
		{"", ""},
		{"\n\n\n", ""},
		{"/deploy staging\n/status", "deploy env=staging | status"},
		{"/deploy staging\r\n/status\r\n", "deploy env=staging | status"},
		{"/deploy staging\r/status", "deploy env=staging | status"},
		{"text\n/deploy prod", "deploy env=prod"},
		{"/deploy stg\n/deploy prod", "deploy env=stg | deploy env=prod"},
		{"/status\n/status\n/status\n/status\n/status\n/status", "status | status | status | status | status | status"},

		// Mentions.
		{"@shipmate deploy staging", "deploy env=staging"},
		{"@shipmate /deploy staging", "deploy env=staging"},
		{"@Shipmate deploy staging", "deploy env=staging"},
		{"@shipmate, deploy staging", "deploy env=staging"},
		{"@shipmate: deploy staging", "deploy env=staging"},
		{"  @shipmate deploy staging", "deploy env=staging"},
		{"@shipmate", ""},
		{"@shipmate ", ""},
		{"@shipmates deploy staging", ""},
		{"@shipmate-dev deploy staging", ""},
		{"@shipmate[bot] deploy staging", "deploy env=staging"},
		{"@Shipmate[bot], /deploy staging", "deploy env=staging"},
		{"@shipmate[bot]\ndeploy staging", "deploy env=staging"},
		{"@shipmate[bot]", ""},
		{"@shipmate[bots] deploy staging", ""},
		{"@shipmate[bot]deploy staging", ""},
		{"hello @shipmate deploy staging", ""},
		{"@shipmate is great", "not ours"},
		{"@other deploy staging", ""},

		// Quotes, code, HTML: not read.
		{"> /deploy staging", ""},
		{">/deploy staging", ""},
		{"> text\n/deploy staging", "deploy env=staging"},
		{"- /deploy staging", ""},
		{"* /deploy staging", ""},
		{"1. /deploy staging", ""},
		{"| /deploy staging |", ""},
		{"# /deploy staging", ""},
		{"```\n/deploy staging\n```", ""},
		{"```sh\n/deploy staging\n```\n/status", "status"},
		{"```\n/deploy staging", ""},
		{"````\n```\n/deploy staging\n````", ""},
		{"```\n/deploy a\n````\n/deploy b", "deploy env=b"},
		{"   ```\n/deploy staging\n   ```", ""},
		{"    ```\n/deploy staging", "deploy env=staging"},
		{"~~~\n/deploy staging\n~~~", ""},
		{"~~~\n```\n/deploy staging\n~~~\n/status", "status"},
		{"```\n~~~\n/deploy staging\n```", ""},
		{"``` ` ```\n/deploy staging", "deploy env=staging"},
		{"```\n/deploy a\n``` x\n/deploy b\n```", ""},
		{"<!-- /deploy staging -->", ""},
		{"<!--\n/deploy staging\n-->", ""},
		{"<!--\n/deploy a\n-->\n/deploy b", "deploy env=b"},
		{"<!-- a --> /deploy staging", ""},
		{"<!-- a -->\n/deploy staging", "deploy env=staging"},
		{"<!-- /deploy staging", ""},
		{"text <!--\n/deploy staging\n-->", ""},
		{"text <!-- a --> <!--\n/deploy staging", ""},
		{"<!-- a\nb --> c\n/deploy staging", "deploy env=staging"},
		{"> ```\n/deploy staging", "deploy env=staging"},

		// Somebody else's commands.
		{"/assign @mona", "not ours"},
		{"/lgtm", "not ours"},
		{"/ok-to-test", "! missing_argument"},
		{"/merge", "not ours"},
		{"/close", "not ours"},
		{"/hold", "not ours"},
		{"/atlantis plan", "not ours"},
		{"/usr/bin/env", "not ours"},
		{"/home/mona is full", "not ours"},
		{"/deploy-docs", "not ours"},
		{"/deployment", "not ours"},
		{"/.well-known", "not ours"},
		{"/42", "not ours"},

		// Close to ours: answered, never done.
		{"/deplyo staging", "! unknown_command"},
		{"/deplo staging", "! unknown_command"},
		{"/deployy staging", "! unknown_command"},
		{"/rolback prod", "! unknown_command"},
		{"/roll-back prod", "! unknown_command"},
		{"/aprove", "! unknown_command"},
		{"/statsu", "! unknown_command"},
		{"/unlok staging", "! unknown_command"},
		{"/halp", "! unknown_command"},
		{"/deploys staging", "! unknown_command"},

		// Arguments.
		{"/deploy", "deploy"},
		{"/deploy prod v1.2.3", "deploy env=prod ref=v1.2.3"},
		{"/deploy prod feature/x", "deploy env=prod ref=feature/x"},
		{"/deploy prod a b", "! extra_argument"},
		{"/deploy \"prod\"", "deploy env=prod"},
		{"/deploy \"two words\"", "deploy env=two words"},
		{"/deploy \"\"", "deploy env="},
		{"/deploy prod \"", "! open_quote"},
		{"/deploy \"prod", "! open_quote"},
		{"/deploy pr\"o\"d", "deploy env=prod"},
		{"/deploy prod 'a b'", "! extra_argument"},
		{"/rollback prod", "rollback env=prod"},
		{"/rollback prod r-1a2b3c4d", "rollback env=prod run|commit=r-1a2b3c4d"},
		{"/rollback prod to r-1a2b3c4d", "rollback env=prod run|commit=r-1a2b3c4d"},
		{"/rollback prod TO r-1a2b3c4d", "rollback env=prod run|commit=r-1a2b3c4d"},
		{"/rollback prod to", "! missing_argument"},
		{"/rollback prod to to", "rollback env=prod run|commit=to"},
		{"/rollback prod \"to\"", "rollback env=prod run|commit=to"},
		{"/rollback prod to a b", "! extra_argument"},
		{"/rollback to prod", "rollback env=to run|commit=prod"},
		{"/approve", "approve"},
		{"/approve r-1", "approve run=r-1"},
		{"/approve r-1 r-2", "! extra_argument"},
		{"/logs", "logs"},
		{"/logs r-1 build", "logs run=r-1 step=build"},
		{"/resolve r-1 build succeeded --reason \"seen\"", "resolve run=r-1 step=build succeeded|failed=succeeded --reason=seen"},
		{"/resolve r-1 build", "! missing_argument"},
		{"/resolve", "! missing_argument"},
		{"/lock", "lock"},
		{"/help", "help"},
		{"/help deploy", "help command=deploy"},
		{"/help deploy prod", "! extra_argument"},

		// Flags.
		{"/deploy prod --wait", "deploy env=prod --wait="},
		{"/deploy --wait prod", "deploy env=prod --wait="},
		{"/deploy prod --wait --wait", "! duplicate_flag"},
		{"/deploy prod --wait=yes", "! bad_flag"},
		{"/deploy prod --wait yes", "deploy env=prod ref=yes --wait="},
		{"/deploy prod --reason x", "deploy env=prod --reason=x"},
		{"/deploy prod --reason=x", "deploy env=prod --reason=x"},
		{"/deploy prod --reason \"a b\"", "deploy env=prod --reason=a b"},
		{"/deploy prod --reason=\"a b\"", "deploy env=prod --reason=a b"},
		{"/deploy prod --reason \"say \\\"a\\\"\"", "deploy env=prod --reason=say \"a\""},
		{"/deploy prod --reason \"--wait\"", "deploy env=prod --reason=--wait"},
		{"/deploy prod --reason --wait", "! bad_flag"},
		{"/deploy prod --reason", "! bad_flag"},
		{"/deploy prod --reason big sale", "deploy env=prod --reason=big sale"},
		{"/deploy prod --reason=big sale today", "deploy env=prod --reason=big sale today"},
		{"/deploy prod --reason big sale --wait", "deploy env=prod --reason=big sale --wait="},
		{"/deploy prod --reason big sale —wait", "deploy env=prod --reason=big sale --wait="},
		{"/deploy prod --reason big -- or huge — sale --at 22:00", "deploy env=prod --at=22:00 --reason=big -- or huge — sale"},
		{"/deploy prod --reason größer als \"je\" zuvor", "deploy env=prod --reason=größer als je zuvor"},
		{"/deploy prod --reason big sale --nope", "! unknown_flag"},
		{"/deploy --reason \"big sale\" prod v1.4.0", "deploy env=prod ref=v1.4.0 --reason=big sale"},
		{"/deploy --reason=\"big sale\" prod", "deploy env=prod --reason=big sale"},
		{"/deploy prod --reason hotfix v1.4.0", "! unquoted_text"}, // not the head by mistake
		{"/deploy staging --reason hotfix release-2", "! unquoted_text"},
		{"/deploy staging --reason hotfix release-2 --wait", "! unquoted_text"},
		{"/deploy staging --reason hotfix \"release-2\"", "! unquoted_text"},
		{"/deploy staging --reason=urgent hotfix/payments", "! unquoted_text"},
		{"/deploy staging --reason back to main", "! unquoted_text"},
		{"/deploy staging release-2 --reason hotfix for release-2", "deploy env=staging ref=release-2 --reason=hotfix for release-2"},
		{"/deploy staging --reason it is not our fault, it's theirs", "deploy env=staging --reason=it is not our fault, it's theirs"},
		{"/deploy staging --reason we cannot wait", "deploy env=staging --reason=we cannot wait"},
		{"/rollback prod --reason broken since release-2", "rollback env=prod --reason=broken since release-2"}, // goes to a run or a commit
		{"/reject --reason not in prod", "reject --reason=not in prod"},
		{"/resolve r-1 --reason seen it build succeeded", "! unquoted_text"},
		{"/override r-1 --reason go on freeze", "! unquoted_text"},
		{"/deploy prod v1.3.0 --reason hotfix for v1.4.0", "deploy env=prod ref=v1.3.0 --reason=hotfix for v1.4.0"},
		{"/rollback prod --reason bad to r-123", "! unquoted_text"},
		{"/rollback prod --reason back to normal", "rollback env=prod --reason=back to normal"},
		{"/rollback prod --reason carts are empty", "rollback env=prod --reason=carts are empty"},
		{"/lock prod --reason database upgrade to 17.2", "lock env=prod --reason=database upgrade to 17.2"},
		{"/lock prod --reason database upgrade --for 1d", "lock env=prod --reason=database upgrade --for=1d"},
		{"/deploy prod --reason a --reason b", "! duplicate_flag"},
		{"/deploy prod --reason größer", "deploy env=prod --reason=größer"},
		{"/deploy prod --param a=1", "deploy env=prod --param=a=1"},
		{"/deploy prod --param a=1 --param b=2", "deploy env=prod --param=a=1 --param=b=2"},
		{"/deploy prod --param=a=1", "deploy env=prod --param=a=1"},
		{"/deploy prod --param größe=1", "! not_ascii"},
		{"/deploy prod --env stg", "! unknown_flag"},
		{"/deploy prod --Wait", "! unknown_flag"},
		{"/deploy prod --", "! unknown_flag"},
		{"/deploy prod -", "! unknown_flag"},
		{"/deploy prod -w", "! unknown_flag"},
		{"/deploy prod ---wait", "! unknown_flag"},
		{"/deploy \"--wait\"", "deploy env=--wait"},
		{"/deploy prod —wait", "deploy env=prod --wait="},
		{"/deploy prod —reason “a b”", "deploy env=prod --reason=a b"},
		{"/deploy prod “—wait”", "! not_ascii"},
		{"/lock prod --for 2h --reason \"x\"", "lock env=prod --reason=x --for=2h"},

		// What a shell would make something of is one word, or refused.
		{"/deploy prod poc;id;false;#", "deploy env=prod ref=poc;id;false;#"},
		{"/deploy prod a&&id", "deploy env=prod ref=a&&id"},
		{"/deploy prod a$(id)b", "deploy env=prod ref=a$(id)b"},
		{"/deploy prod a`id`b", "deploy env=prod ref=a`id`b"},
		{"/deploy prod a|id", "deploy env=prod ref=a|id"},
		{"/deploy prod a>/tmp/pwned", "deploy env=prod ref=a>/tmp/pwned"},
		{"/deploy prod a b", "! extra_argument"},
		{"/deploy prod a$HOME", "deploy env=prod ref=a$HOME"},
		{"/deploy prod -chdir", "! unknown_flag"},
		{"/deploy prod ~root", "deploy env=prod ref=~root"},
		{"/deploy prod .hidden", "deploy env=prod ref=.hidden"},
		{"/deploy prod zzz\";echo${IFS}\"hello\";#", "! open_quote"},
		{"/deploy prod a\\nid", "deploy env=prod ref=a\\nid"},

		// Flags of others.
		{"/deploy prod --upload-pack=touch", "! unknown_flag"},
		{"/deploy prod -oProxyCommand=x", "! unknown_flag"},
		{"/deploy prod ext::sh", "deploy env=prod ref=ext::sh"},
		{"/deploy prod file:///etc", "deploy env=prod ref=file:///etc"},
		{"/deploy prod -e @/etc/passwd", "! unknown_flag"},
		{"/deploy prod -var-file=/proc/self/environ", "! unknown_flag"},

		// Paths are words here; what they name is for GitHub to say.
		{"/deploy ../prod", "deploy env=../prod"},
		{"/deploy prod a/../../b", "deploy env=prod ref=a/../../b"},
		{"/deploy C:\\x", "deploy env=C:\\x"},
		{"/deploy pr\x00od", "! not_ascii"},

		// Other letters.
		{"/dеploy prod", "! not_ascii"},                                       // Cyrillic
		{"/ⅾeploy prod", "! not_ascii"},                                       // a Roman numeral
		{"／deploy prod", "! not_ascii"},                                       // a full-width slash
		{"/deploy prоd", "! not_ascii"},                                       // Cyrillic
		{"/deploy pro\u200dd", "! not_ascii"},                                 // zero width joiner
		{"/deploy\u00a0prod", "! not_ascii"},                                  // no-break space
		{"/deploy\u2003prod", "! not_ascii"},                                  // em space
		{"/deploy prod\u202e", "! not_ascii"},                                 // right to left
		{"/deploy prod\u2028/status", "! not_ascii"},                          // line separator: not a line
		{"/deploy prod\u0085/status", "! not_ascii"},                          // next line: not a line
		{"\ufeff/deploy prod", "! not_ascii"},                                 // byte order mark
		{"/deploy pr\u0301od", "! not_ascii"},                                 // combining accent
		{"/deploy prod\U000e0020", "! not_ascii"},                             // tag character
		{"/deploy prod\x7f", "! not_ascii"},                                   // delete
		{"/deploy prod\x1b[31m", "! not_ascii"},                               // escape
		{"/部署 prod", "not ours"},                                              //
		{"/deploy prod --reason \u202ex", "deploy env=prod --reason=\u202ex"}, // cleaned by prose
		{"/deploy prod\xff", "! not_ascii"},                                   // not UTF-8

		// No guessing.
		{"/deploy prodx", "deploy env=prodx"},
		{"/deploy prod\n\n> /deploy stg", "deploy env=prod"},
		{"On Monday mona wrote:\n> /deploy prod\n\nno", ""},
		{"/deploy prod /deploy stg", "! extra_argument"},
	} {
		if got := read(test.text); got != test.want {
			t.Errorf("%q is read as %q, want %q", test.text, got, test.want)
		}
	}
}

func TestRefusalsSayWhatToType(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"/depoly staging --wait", "`/deploy staging --wait`"},
		{"/ok-to-test", "`/ok-to-test <"},
		{"/deploy prod --reason hotfix v1.4.0", "`/deploy prod --reason \"hotfix v1.4.0\"`"},
		{"/deploy a --wiat", "`--wait`"},
		{"/dеploy prod", "U+0435"},
		{"/deploy pro\u200bd", "U+200B"},
		{"/deploy a `b` `c`", "`'c'`"},
	} {
		_, err := All(Desk{}).Parse(test.line)
		if text := pipeline.Message(err); err == nil && test.line != "" || !strings.Contains(text, test.want) {
			t.Errorf("%q is answered %q, which does not say %s", test.line, text, test.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"/deploy prod", "```\n/deploy\n```", "<!--\n/a\n-->\n/b", "@shipmate x", "> /a", "~~~\n/a", "\r/a\r\n/b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range Lines(text, "shipmate") {
			first, _, _ := strings.Cut(line, "\n")
			if !strings.Contains(fold(first).text, "/") || strings.Contains(line, "\r") {
				t.Errorf("%q is no line of %q", line, text)
			}
		}
		fenced := "````````````````\n" + strings.ReplaceAll(text, "````", "") + "\n"
		if got := Lines(fenced, "shipmate"); len(got) > 0 {
			t.Errorf("%q was read out of a code block", got)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"/deploy prod a --param x=1", "/rollback prod to \"x y\"", "/lock a --for 2h --reason \"b\"", "/x", "/deploy —wait", "/deploy \"\\\\\""} {
		f.Add(seed)
	}
	set := All(Desk{})
	f.Fuzz(func(t *testing.T, text string) {
		l, err := set.Parse(text)
		if err != nil {
			if pipeline.Code(err) == "" || pipeline.Message(err) == "" {
				t.Errorf("%q is refused without a code or a sentence: %v", text, err)
			}
			return
		}
		for name, v := range l.Args {
			if plain(v) != nil {
				t.Errorf("%q: argument %s is %q", text, name, v)
			}
		}
		for _, a := range l.Command.Help().Args {
			if _, given := l.Args[a.Name]; !given && !a.Optional && !a.Suggested {
				t.Errorf("%q was taken without %s", text, a.Name)
			}
		}
	})
}

func FuzzPaste(f *testing.F) {
	for _, seed := range []string{"plain", "two words", `a "quote"`, `back\slash`, "", "--wait", "—wait", "“curly”", "to", "größe", "a\tb"} {
		f.Add(seed)
	}
	set := All(Desk{})
	f.Fuzz(func(t *testing.T, reason string) {
		if !utf8.ValidString(reason) {
			return // Parse replaces what is no character
		}
		l, err := set.Parse(Paste("/reject", "r-1a2b3c4d") + PasteFlag("reason", reason))
		if err != nil || l.Flag("reason") != reason {
			t.Errorf("%q comes back as %q, %v", reason, l.Flag("reason"), err)
		}
		if plain(reason) != nil {
			return
		}
		l, err = set.Parse(Paste("/deploy", reason))
		if err != nil || l.Arg("env") != reason {
			t.Errorf("argument %q comes back as %q, %v", reason, l.Arg("env"), err)
		}
	})
}
