package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/commands"
)

// remote is the bot as the command line sees it. Its fields are the flags that
// stand before a verb.
type remote struct {
	server   string
	repo     string
	pr       int
	output   string
	noFollow bool
}

const verbGroup = "verbs"

func (o *remote) flags(root *cobra.Command) {
	f := root.Flags()
	f.StringVar(&o.server, "server", "", "before a verb: URL of the bot (default $SHIPMATE_URL, else $SHIPMATE_BASE_URL)")
	f.StringVar(&o.repo, "repo", "", "before a verb: owner/name, as if said in a comment there (default: the clone you stand in, unless the words name a service)")
	f.IntVar(&o.pr, "pr", 0, "before a verb: number of a pull request, as if said on it")
	f.StringVar(&o.output, "output", "text", "before a verb: text or json (one document)")
	completeFlag(root, "output", fixedCompletions("text", "json"))
	f.BoolVar(&o.noFollow, "no-follow", false, "before a verb: do not follow the run to its end")
	root.AddGroup(&cobra.Group{ID: verbGroup, Title: "Verbs, said to the bot as in a comment (its URL in SHIPMATE_URL, its token in SHIPMATE_API_TOKEN or SHIPMATE_API_TOKEN_FILE):"})
}

// verbs are all commands people can say, but for those whose name the command
// line has for something else.
func (o *remote) verbs(root *cobra.Command) []*cobra.Command {
	taken := []string{"help", "completion"}
	for _, c := range root.Commands() {
		taken = append(taken, c.Name())
	}
	var out []*cobra.Command
	for _, c := range commands.All(commands.Desk{}) {
		if h := c.Help(); !slices.Contains(taken, strings.TrimPrefix(h.Name, "/")) {
			out = append(out, o.verb(h))
		}
	}
	return out
}

func (o *remote) verb(h commands.Help) *cobra.Command {
	var examples []string
	for _, e := range h.Examples {
		examples = append(examples, "  "+typed(e))
	}
	return &cobra.Command{
		Use:     strings.TrimPrefix(h.Usage(), "/"),
		Short:   h.Summary,
		GroupID: verbGroup,
		Long: h.Summary + `

Everything after the verb is said to the bot as it stands. Flags of the command
line itself, such as --repo, --pr, --server, --output and --no-follow, stand
before the verb: shipmate --output json ` + strings.TrimPrefix(h.Name, "/") + ` ...`,
		Example:               strings.Join(examples, "\n"),
		DisableFlagParsing:    true,
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			return completeVerb(h, args, word), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			if slices.Contains(words, "--help") || slices.Contains(words, "-h") {
				return cmd.Help()
			}
			if err := o.behind(cmd.Root(), h, words); err != nil {
				return err
			}
			return o.say(cmd, h.Name+line(words))
		},
	}
}

// typed is what is typed here for a line of a comment.
func typed(line string) string { return "shipmate " + strings.TrimPrefix(line, "/") }

// line puts what the shell has taken apart into one line again. It knows
// nothing of the grammar but how words are quoted.
func line(words []string) string {
	var b strings.Builder
	for _, w := range words {
		w = strings.NewReplacer("\r", " ", "\n", " ").Replace(w) // a new line would be a new command
		name, value, inline := strings.Cut(w, "=")
		switch plain := w != "" && !strings.ContainsAny(w, " \t\"\\“”"); {
		case plain:
			b.WriteString(" " + w)
		case inline && strings.HasPrefix(name, "--") && !strings.ContainsAny(name, " \t\"\\“”"):
			b.WriteString(" " + name + "=" + strings.TrimPrefix(commands.Paste("", value), " "))
		default:
			b.WriteString(commands.Paste("", w))
		}
	}
	return b.String()
}

func flagsLike(h commands.Help, word string) []string {
	var out []string
	for _, f := range h.Flags {
		if strings.HasPrefix(word, "-") && strings.HasPrefix("--"+f.Name, word) {
			out = append(out, "--"+f.Name)
		}
	}
	return out
}

// misplaced: a flag for verbs stands before a command that is none.
func (o *remote) misplaced(root, cmd *cobra.Command) error {
	for _, name := range []string{"server", "repo", "pr", "output", "no-follow"} {
		if cmd.GroupID != verbGroup && root.Flags().Changed(name) {
			return &usageError{fmt.Errorf("--%s stands before verbs such as deploy; here write the flags of %s after it", name, cmd.Name())}
		}
	}
	return nil
}

// behind: a flag of the command line stands where the bot would read it.
func (o *remote) behind(root *cobra.Command, h commands.Help, words []string) error {
	for i, w := range words {
		name, _, _ := strings.Cut(strings.TrimPrefix(w, "--"), "=")
		said := slices.ContainsFunc(h.Flags, func(f commands.Flag) bool { return f.Name == name })
		value := i > 0 && slices.ContainsFunc(h.Flags, func(f commands.Flag) bool { return f.Value != "" && "--"+f.Name == words[i-1] })
		if strings.HasPrefix(w, "--") && !said && !value && root.Flags().Lookup(name) != nil && name != "version" {
			return &usageError{fmt.Errorf("--%s stands before the verb: shipmate --%s ... %s", name, name, strings.TrimPrefix(h.Name, "/"))}
		}
	}
	return nil
}
