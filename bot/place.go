package bot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// place finds out who speaks and which repository is meant, and reads its
// file. On GitHub both are known; on Slack the person is looked up, and the
// repository follows from the words, the thread or the channel. What needs no
// right, such as help, does without what cannot be found.
func (b *Bot) place(ctx context.Context, c *commands.Call, lines []commands.Line) error {
	err := b.find(ctx, c, lines)
	needed := slices.ContainsFunc(lines, func(l commands.Line) bool { return l.Command.Help().Needs > pipeline.NoAccess })
	if pipeline.Code(err) != "" && !needed {
		return nil
	}
	return err
}

func (b *Bot) find(ctx context.Context, c *commands.Call, lines []commands.Line) error {
	if c.Actor.ID == 0 && c.Actor.SlackUser != "" {
		who, err := b.Identities.GitHub(ctx, c.Actor)
		if err != nil {
			return err
		}
		c.Actor = who
	}
	if c.Repo.ID == 0 {
		if err := b.placeBySlack(ctx, c, lines); err != nil {
			return err
		}
	}
	if err := b.readFile(ctx, c, lines); err != nil {
		return err
	}
	cfg := c.Config
	for _, l := range lines {
		if name := l.Flag("service"); name != "" && !strings.EqualFold(name, cfg.Service) && !strings.EqualFold(name, c.Repo.String()) {
			return pipeline.Refuse("other_service", "Here %s is meant, not %s. Say it on a pull request of that one, or on Slack.", cfg.Service, commands.Code(name))
		}
	}
	return nil
}

// readFile reads the repository's file. While that has errors, commands that bring
// nothing new, such as /cancel and /rollback, go by what it said before.
func (b *Bot) readFile(ctx context.Context, c *commands.Call, lines []commands.Line) error {
	cfg, err := b.GitHub.Config(ctx, c.Repo)
	c.Config = cfg
	if pipeline.Code(err) != "bad_config" || slices.ContainsFunc(lines, func(l commands.Line) bool { return !l.Command.Help().Steady }) {
		return err
	}
	known, lost := b.Services.Of(ctx, c.Repo.ID)
	if lost != nil || known.SHA == "" {
		return cmp.Or(lost, err)
	}
	good, lost := b.GitHub.ConfigFile(ctx, c.Repo, known.SHA)
	if lost != nil || good.Config == nil {
		return cmp.Or(lost, err)
	}
	c.Config, c.Before = good.Config, true
	return nil
}

// thread finds the run whose thread the message was written in, if any.
func (b *Bot) thread(ctx context.Context, at pipeline.Origin) (*pipeline.Run, error) {
	if b.Threads == nil || at.Thread == "" {
		return nil, nil
	}
	id, err := b.Threads.RunOf(ctx, at.Channel, at.Thread)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := b.Store.Load(ctx, id)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil, nil // its record is gone, its message still stands
	}
	return r, err
}

// placeBySlack: a service may be named; a run, by its id or its thread, leads to
// its repository; a channel that one repository alone names belongs to it.
func (b *Bot) placeBySlack(ctx context.Context, c *commands.Call, lines []commands.Line) error {
	services, err := b.Services.All(ctx)
	if err != nil {
		return err
	}
	about, err := b.thread(ctx, c.Origin)
	if err != nil {
		return err
	}
	for _, line := range lines {
		var repo pipeline.Repo
		if about != nil && !line.Has("service") {
			repo = about.Repo
		} else if repo, err = b.serviceFor(ctx, c, line, services); err != nil {
			return err
		}
		if c.Repo.ID != 0 && c.Repo.ID != repo.ID {
			return pipeline.Refuse("several_repositories", "These commands are for different repositories. Send them one by one.")
		}
		c.Repo = repo
	}
	if about != nil && about.Repo.ID == c.Repo.ID {
		c.Thread = about.ID
	}
	return nil
}

func (b *Bot) serviceFor(ctx context.Context, c *commands.Call, l commands.Line, all []Service) (pipeline.Repo, error) {
	if name := l.Flag("service"); name != "" {
		return named(all, name)
	}
	if id := strings.ToLower(firstArg(l)); strings.HasPrefix(id, "r-") {
		r, err := b.Store.Load(ctx, pipeline.RunID(id))
		if err == nil {
			return r.Repo, nil
		}
	}
	here := servicesOf(all, c.Origin)
	if len(here) == 0 {
		here = all
	}
	if len(here) == 1 && fits(l, here[0]) {
		return here[0].Repo, nil
	}
	if len(all) == 0 {
		return pipeline.Repo{}, pipeline.Refuse("no_services", "No repository with a `.shipmate.yaml` is known yet. Install the GitHub App on one, and push the file to its default branch.")
	}
	if near, ok := pipeline.Nearest(firstArg(l), serviceNames(all)); ok {
		return pipeline.Repo{}, pipeline.Refuse("unknown_service", "There is no service %s. Did you mean %s?", commands.Code(firstArg(l)), commands.Code(strings.Replace(l.Text, firstArg(l), near, 1)))
	}
	if len(here) == 1 {
		return here[0].Repo, nil
	}
	if env := envOf(l); env != "" && !slices.ContainsFunc(here, func(s Service) bool { return fits(l, s) }) {
		return pipeline.Repo{}, pipeline.Refuse("unknown_service", "There is no service %s. Name one of these: %s.", commands.Code(env), strings.Join(serviceNames(here), ", "))
	}
	verb, rest, _ := strings.Cut(l.Text, " ")
	return pipeline.Repo{}, pipeline.Refuse("which_service", "Say which service is meant, for example %s. The services here are: %s.",
		commands.Code(strings.TrimSpace(verb+" "+here[0].Name+" "+rest)), strings.Join(serviceNames(here), ", "))
}

// fits: unless it looks like a mistyped service, a line is meant for the one
// service that its channel belongs to.
func fits(l commands.Line, s Service) bool {
	env := envOf(l)
	return env == "" || s.hasEnvironment(env)
}

// envOf is the environment a line is about, if that is what it names.
func envOf(l commands.Line) string {
	if env := l.Arg("env|run"); env != "" && !strings.HasPrefix(strings.ToLower(env), "r-") {
		return env
	}
	return l.Arg("env")
}

// named finds a service by its name or its repository.
func named(all []Service, name string) (pipeline.Repo, error) {
	var hits []Service
	for _, s := range all {
		if strings.EqualFold(s.Repo.String(), name) {
			return s.Repo, nil
		}
		if strings.EqualFold(s.Name, name) {
			hits = append(hits, s)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0].Repo, nil
	case 0:
		return pipeline.Repo{}, pipeline.Refuse("unknown_service", "There is no service %s. Name one of these: %s.", commands.Code(name), strings.Join(serviceNames(all), ", "))
	}
	var repos []string
	for _, s := range hits {
		repos = append(repos, s.Repo.String())
	}
	return pipeline.Repo{}, pipeline.Refuse("ambiguous_service", "Several repositories call their service %s. Name the repository: %s.", commands.Code(name), strings.Join(repos, ", "))
}

func firstArg(l commands.Line) string {
	args := l.Command.Help().Args
	if len(args) == 0 {
		return ""
	}
	return l.Arg(args[0].Name)
}

// spoken is what the first word of a line can name in a place.
type spoken struct {
	all []Service
	own []Service // of the thread or the channel, or the only one there is
}

func (b *Bot) spoken(ctx context.Context, at pipeline.Origin) (spoken, error) {
	all, err := b.Services.All(ctx)
	if err != nil {
		return spoken{}, err
	}
	about, err := b.thread(ctx, at)
	if err != nil {
		return spoken{}, err
	}
	known := spoken{all: all, own: servicesOf(all, at)}
	switch {
	case about != nil:
		known.own = slices.DeleteFunc(slices.Clone(all), func(s Service) bool { return s.Repo.ID != about.Repo.ID })
	case len(known.own) == 0 && len(all) == 1:
		known.own = all
	}
	return known, nil
}

// servicesOf are the services that name the channel.
func servicesOf(all []Service, at pipeline.Origin) []Service {
	return slices.DeleteFunc(slices.Clone(all), func(s Service) bool {
		return !slices.Contains(s.Channels, at.Channel) && !slices.Contains(s.Channels, "#"+at.ChannelName)
	})
}

// parse reads a line that may name a service before its arguments, as in
// "/deploy shop prod".
func (b *Bot) parse(text string, known spoken) (commands.Line, error) {
	service, rest := cutService(text, known.all)
	if service == "" {
		return b.Commands.Parse(text)
	}
	line, err := b.Commands.Parse(text)
	if _, about := b.Commands.Find(line.Arg("command")); err == nil && about { // "/help deploy", and a service is called deploy
		return line, nil
	}
	if err == nil && line.Has("service") {
		said := slices.ContainsFunc(known.all, func(s Service) bool {
			return s.called(line.Flag("service")) && s.hasEnvironment(service)
		})
		if !said {
			err = pipeline.Refuse("duplicate_flag", "The service is named twice. Say it once.")
		}
		return line, err
	}
	if own, theirs, ok := known.environmentOf(service); ok {
		text, rest := firstLine(text), firstLine(rest)
		second, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(rest, verbOf(rest))), " ")
		if theirs.hasEnvironment(second) {
			return line, pipeline.Refuse("ambiguous_service", "%s can mean the environment %s of %s, or the service %s. Say which: %s or %s.", commands.Code(text), service, own.Name, theirs.Name,
				commands.Code(text+commands.PasteFlag("service", own.Name)), commands.Code(rest+commands.PasteFlag("service", theirs.Name)))
		}
		return line, err
	}
	if line, err = b.Commands.Parse(rest); err == nil {
		line.Flags["service"] = []string{service}
	}
	return line, err
}

// environmentOf finds the service of this place that has an environment of
// that name, and the service that is called so.
func (k spoken) environmentOf(name string) (own, called Service, ok bool) {
	i := slices.IndexFunc(k.own, func(s Service) bool { return s.hasEnvironment(name) })
	if i < 0 {
		return own, called, false
	}
	j := slices.IndexFunc(k.all, func(s Service) bool { return s.called(name) })
	return k.own[i], k.all[j], j >= 0
}

// hasEnvironment: "all" is what the lock of all of them is called.
func (s Service) hasEnvironment(name string) bool {
	return slices.ContainsFunc(slices.Concat(s.Environments, s.Aliases, []string{pipeline.Everywhere}), func(e string) bool { return strings.EqualFold(e, name) })
}

// called reports whether people mean the service by the name.
func (s Service) called(name string) bool {
	return strings.EqualFold(s.Name, name) || strings.EqualFold(s.Repo.String(), name)
}

// cutService takes the service out of "/deploy shop prod": what is left is the
// command as it is said on the service's own pull requests.
func cutService(text string, all []Service) (service, rest string) {
	said, below, more := strings.Cut(text, "\n")
	verb, args, _ := strings.Cut(said, " ")
	first, args, _ := strings.Cut(strings.TrimLeft(args, " "), " ")
	if !slices.ContainsFunc(all, func(s Service) bool { return s.called(first) }) {
		return "", text
	}
	rest = strings.TrimSpace(verb + " " + args)
	if more {
		rest += "\n" + below
	}
	return first, rest
}

func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

func verbOf(text string) string {
	verb, _, _ := strings.Cut(text, " ")
	return verb
}

func serviceNames(all []Service) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names
}
