// Package commands is what people can say to shipmate. [All] is the table of
// contents; every command is one file with its help beside it and interfaces
// of exactly the calls it makes. One grammar serves comments, Slack, buttons
// and the command line: [Lines] finds commands in a text, [Set.Parse] reads one.
package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Command is one verb.
type Command interface {
	Help() Help
	// Do carries the command out. An error is a refusal; its sentence goes to
	// the person. A Temporary one has the whole message tried again, so what
	// Do does it must do once however often it is called with the same Call.
	Do(ctx context.Context, c *Call) (Reply, error)
}

// Help describes a command to people and to the parser.
type Help struct {
	Name      string // with its slash
	Args      []Arg
	Flags     []Flag
	Summary   string
	Needs     pipeline.Permission // who may say it at all; the environment's policy may ask for more
	Question  bool                // it changes nothing: it is answered however late it comes
	Steady    bool                // while the repository's file has errors, what it said before them is good enough
	SlackOnly bool                // it works on Slack alone, so a mistyped word is never taken for it
	Examples  []string
}

// Arg is a word by its position.
type Arg struct {
	Name     string // "env", "run", "step", "ref"
	Word     string // may be said before it: "to"
	Optional bool
	// Suggested: left out, it is an environment that the repository suggests, see Missing.
	Suggested bool
}

// Flag is "--name value", or "--name" alone if Value is "".
type Flag struct {
	Name   string
	Value  string // what the value is, for the usage line
	Repeat bool   // may be given more than once
	Prose  bool   // free text: any letters, not only ASCII
}

// Usage is the command's line in the manual.
func (h Help) Usage() string {
	var b strings.Builder
	b.WriteString(h.Name)
	for _, a := range h.Args {
		text := strings.TrimSpace(a.Word + " <" + a.Name + ">")
		if a.Optional {
			text = "[" + text + "]"
		}
		b.WriteString(" " + text)
	}
	for _, f := range h.Flags {
		value := f.Value
		if value != "" {
			value = " " + value
		}
		fmt.Fprintf(&b, " [--%s%s]", f.Name, value)
	}
	return b.String()
}

// Call is one command somebody said, with everything around it.
type Call struct {
	Line   Line
	Key    string // the same each time this very command is tried; different for every other
	Actor  pipeline.Actor
	Origin pipeline.Origin
	Repo   pipeline.Repo
	Config *pipeline.Config // of the repository's default branch
	Before bool             // Config is what the file said before it had errors
	PR     int              // zero: not said on a pull request
	Gate   string           // of the button that was pressed; "": none
	Thread pipeline.RunID   // the run whose Slack thread it was said in; "": none
	// Confirmed is the commit that was shown to the person, who said yes to it;
	// zero: none was.
	Confirmed pipeline.Commit
	Said      time.Time // by the platform's clock
	Came      time.Time // when it reached us, by our own; zero: not known
	Now       time.Time
}

// Reply is what a command says back, in the Markdown of bot.Answer.
type Reply struct {
	Text   string
	Run    pipeline.RunID
	Folded Folded // what is there for those who look closer
	Code   string // stable reason code of an answer that did nothing new, for programs; people find it behind Text
	// Shown: the run's own report, on the pull request where this was said, tells the same.
	// A place that shows it there needs no Text.
	Shown bool
	Loud  string // what the operator's channel is told as well, in the same Markdown; "": nothing
	// Private: it is for the eyes of whoever asked, wherever others could read it.
	Private bool
	Ask     *Ask // nothing was done yet: the command is to be said again, with this confirmed
}

// Folded is what stands below an answer and is opened by its title. A place that
// cannot fold shows the title alone, so it says the whole in short.
type Folded struct {
	Title string // plain text
	Text  string // in the Markdown of the answer; "": there is nothing
}

// aboutRun is the reply of an accepted command whose outcome the report of r shows.
func aboutRun(c *Call, r *pipeline.Run, text string) Reply {
	return Reply{Run: r.ID, Text: text, Shown: c.PR != 0 && r.PR == c.PR}
}

// Ask is what a person has to confirm.
type Ask struct {
	Environment string
	Commit      pipeline.Commit
	Line        string // the command to be said again: a time in it means what it meant when it was asked
}

// Set is the commands that are switched on, in the order of the manual.
type Set []Command

// All is the table of contents.
func All(d Desk) Set {
	set := Set{
		Deploy{d.Runs, d.GitHub, d.Store, d.Records},
		Rollback{d.Runs, d.GitHub, d.Store, d.Records},
		Promote{d.Runs, d.GitHub, d.Store, d.Records},
		Approve{d.Runs, d.GitHub, d.Store, d.Records},
		Reject{d.Runs, d.GitHub, d.Store, d.Records},
		Cancel{d.Runs, d.GitHub, d.Store, d.Records},
		Retry{d.Runs, d.GitHub, d.Store, d.Records},
		Lock{d.Store, d.GitHub, d.Records},
		Unlock{d.Store, d.GitHub, d.Records},
		Status{d.Store},
		History{d.Store},
		Diff{d.Runs, d.GitHub, d.Store},
		Why{start{d.Runs, d.GitHub, d.Store, d.Records}, d.Secrets},
		Logs{d.Store, d.Logs},
		Resolve{d.Runs, d.GitHub, d.Store},
		Override{d.Runs, d.GitHub, d.Store, d.Records},
		OKToTest{d.Runs, d.GitHub, d.Store},
		WhoAmI{d.GitHub},
		Link{d.Links, d.Records},
	}
	return append(set, &HelpCommand{Set: set})
}

// Find returns the command with this name, with or without its slash, in any case.
func (s Set) Find(name string) (Command, bool) {
	for _, c := range s {
		if strings.EqualFold(strings.TrimPrefix(c.Help().Name, "/"), strings.TrimPrefix(name, "/")) {
			return c, true
		}
	}
	return nil, false
}

// Names lists the verbs without their slash.
func (s Set) Names() []string {
	var names []string
	for _, c := range s {
		names = append(names, strings.TrimPrefix(c.Help().Name, "/"))
	}
	return names
}

// Run is the run that was named, else the one whose thread this is, else "".
func (c *Call) Run(arg string) string {
	if id := c.Line.Arg(arg); id != "" {
		return id
	}
	return string(c.Thread)
}

// Code puts what somebody typed into a code span that it cannot leave.
func Code(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '`':
			return '\''
		case r < ' ', r == 0x7f:
			return ' '
		}
		return r
	}, text)
	return "`" + text + "`"
}
