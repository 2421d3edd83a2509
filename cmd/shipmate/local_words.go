package main

import (
	"regexp"
	"strings"

	"github.com/shipmate/shipmate/commands"
)

// spoken is a command as it is said to the bot, in a code span of a sentence.
var spoken = regexp.MustCompile("`/(" + strings.Join(verbNames(), "|") + ")((?: [^`]*)?)`")

func verbNames() []string {
	var names []string
	for _, c := range commands.All(commands.Desk{}) {
		names = append(names, regexp.QuoteMeta(strings.TrimPrefix(c.Help().Name, "/")))
	}
	return names
}

// atPrompt puts what was written for a conversation into the form of a shell:
// `/logs r-1` becomes `shipmate logs r-1`. The reason code is of no interest.
func atPrompt(_, text string) string { return spoken.ReplaceAllString(text, "`shipmate $1$2`") }

// alone puts a sentence about a run into the form of a run without a bot: there
// is nobody to say commands to, and no operator. Logs have been shown already.
// code is the reason code that comes with it.
func alone(code, text string) string {
	switch {
	case code == "cluster_refused":
		return "A local run reaches no cluster. This step works where a bot runs it that may deploy there."
	case code == "secret_refused" && strings.HasPrefix(text, "The operator"):
		return "A local run has no secret store but env:, and the file names another one. To try it here, write env:NAME and set SHIPMATE_SECRET_NAME."
	}
	var out []string
	for _, s := range sentences(text) {
		said := spoken.FindStringSubmatch(s)
		switch {
		case said != nil && said[1] == "logs":
			out = append(out, "Its output is above.")
		case said == nil:
			out = append(out, forNobodyElse.Replace(s))
		}
	}
	return strings.Join(out, " ")
}

// forNobodyElse names what there is here in the place of an operator.
var forNobodyElse = strings.NewReplacer(
	"The operator sets it as ", "Set the variable ",
	"This shipmate has no", "A local run has no",
	"and this run has none.", "and this run has none. Name one with --environment.",
	"he operator finds the cause in the log", "he cause is shown with SHIPMATE_LOG_LEVEL=debug",
)

// sentences parts a text where a sentence ends, but not within code.
func sentences(text string) []string {
	var out []string
	code, from := false, 0
	for i, c := range text {
		switch {
		case c == '`':
			code = !code
		case !code && strings.ContainsRune(".!?", c) && i+1 < len(text) && text[i+1] == ' ':
			out = append(out, text[from:i+1])
			from = i + 2
		}
	}
	if rest := strings.TrimSpace(text[from:]); rest != "" {
		out = append(out, rest)
	}
	return out
}
