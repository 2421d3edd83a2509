package pipeline

import (
	"math"
	"time"
)

// The tables below are the file format: every key with its type, its meaning
// and the place it fills. Parse reads by them and Schema describes them. What
// cannot be said of one value alone is checked in parse_check.go.

// How names are written. They appear in chat, in status names and in URLs, so
// they are few and plain letters.
var (
	environmentNames = newGrammar("the name of an environment", `^[a-z][a-z0-9_-]{0,62}$`, "use up to 63 lower case letters, digits, - and _, beginning with a letter")
	pipelineNames    = newGrammar("the name of a pipeline", `^[a-z][a-z0-9_-]{0,62}$`, environmentNames.rule)
	stepNames        = newGrammar("the name of a step", `^[a-z][a-z0-9_-]{0,62}$`, environmentNames.rule)
	serviceNames     = newGrammar("the name of a service", `^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`, "use up to 100 letters, digits, dots, - and _, beginning with a letter or digit")
	paramNames       = newGrammar("the name of a parameter", `^[a-z][a-z0-9_]{0,62}$`, "use up to 63 lower case letters, digits and _, beginning with a letter")
	outputNames      = newGrammar("the name of an output", `^[A-Za-z][A-Za-z0-9_-]{0,62}$`, "use up to 63 letters, digits, - and _, beginning with a letter")
	variableNames    = newGrammar("the name of an environment variable", `^[A-Za-z_][A-Za-z0-9_]{0,127}$`, "use letters, digits and _, not beginning with a digit")
	peopleNames      = newGrammar("a team or a person", `^(team:[A-Za-z0-9][A-Za-z0-9_-]{0,99}|user:[A-Za-z0-9][A-Za-z0-9_-]{0,38}(\[bot\])?)$`, "write team:slug or user:login, without patterns")
	channelNames     = newGrammar("a Slack channel", `^#[^\s#@,.:A-Z]{1,80}$`, "write it as in Slack, with # and in lower case, for example \"#deploys\"")
	clusterNames     = newGrammar("the name of a cluster", `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`, "use up to 63 letters, digits, dots, - and _")
	namespaceNames   = newGrammar("a Kubernetes namespace", `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, "use up to 63 lower case letters, digits and -")
	secretReferences = newGrammar("a secret's reference", `^[a-z][a-z0-9]*:[^\s:][^\s]{0,510}$`, "write the store, a colon and the place in it, for example vault:kv/shop/prod#password or env:TOKEN")
	imageNames       = newGrammar("a container image", `^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$`, "write it like registry.example/shop:1.2")
	usesNames        = newGrammar("a runner", `^[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)?$`, "write it like kubernetes.rollout")
)

const (
	day        = 24 * time.Hour
	longest    = 90 * day
	maxSteps   = 300
	maxEntries = 200 // environments, or pipelines
)

func fileShape(uses []Uses) kind[Config] {
	return object("the file", "What a team deploys, where, and how: .shipmate.yaml.",
		optional("service", written(serviceNames), func(c *Config) *string { return &c.Service },
			"What chat calls this repository. Default: the repository's name."),
		optional("checks", orEmpty(checksShape()), func(c *Config) *Checks { return &c.Checks },
			"What runs without an environment may use: those of pull requests, pushes and schedules that deploy nowhere."),
		optional("environments", named(environmentNames, pointer(environmentShape()), func(e *Environment, name string) *Environment { e.Name = name; return e }),
			func(c *Config) *[]*Environment { return &c.Environments },
			"Places to deploy to, by name."),
		needed("pipelines", named(pipelineNames, pointer(pipelineShape(uses)), func(p *Pipeline, name string) *Pipeline { p.Name = name; return p }).saying(schema{"minProperties": 1}),
			func(c *Config) *[]*Pipeline { return &c.Pipelines },
			"Lists of steps, by name."),
	)
}

func checksShape() kind[Checks] {
	return object("checks", "What runs without an environment may use.",
		optional("secrets", table(variableNames, reference(secretReferences)), func(c *Checks) *map[string]string { return &c.Secrets },
			"Secrets by the name steps know them: references such as vault:kv/shop#nexus, never values. Forks get none."),
	)
}

func environmentShape() kind[Environment] {
	return orEmpty(object("an environment", "A place to deploy to, with its policy.",
		optional("aliases", some(written(environmentNames)), func(e *Environment) *[]string { return &e.Aliases }, "Other names for chat."),
		optional("url", webAddress(), func(e *Environment) *string { return &e.URL }, "Where people see what runs there."),
		optional("slack", written(channelNames), func(e *Environment) *string { return &e.Slack }, "Slack channel of its deploys, in quotes: \"#deploys\"."),
		optional("after", some(written(environmentNames)), func(e *Environment) *[]string { return &e.After }, "Environments in which the same commit must run successfully first."),
		optional("deploy_from", some(choice("pull_request", "default_branch")), func(e *Environment) *[]string { return &e.DeployFrom }, "What may be deployed. Default: both."),
		optional("deployers", some(written(peopleNames)), func(e *Environment) *[]string { return &e.Deployers }, "Who may deploy: team:slug or user:login, or either with its id. Default: everybody with write access."),
		optional("approvals", pointer(approvalShape()), func(e *Environment) **ApprovalPolicy { return &e.Approvals }, "Whose yes a deploy needs."),
		optional("requires", requirementShape(), func(e *Environment) *Requirements { return &e.Requires }, "What GitHub must say about the commit."),
		optional("freeze", list(freezeShape()), func(e *Environment) *[]Freeze { return &e.Freeze }, "Times in which nothing is deployed."),
		optional("concurrency", choice(Enqueue, Supersede, RefuseNew), func(e *Environment) *Concurrency { return &e.Concurrency }, "What happens to a deploy while another one runs. Default: queue."),
		optional("secrets", table(variableNames, reference(secretReferences)), func(e *Environment) *map[string]string { return &e.Secrets }, "Secrets by the name steps know them: references such as vault:kv/shop#password, never values."),
		optional("kubernetes", pointer(kubernetesShape()), func(e *Environment) **KubernetesTarget { return &e.Kubernetes }, "The cluster and namespace it lives in."),
		optional("protected", truth(), func(e *Environment) *bool { return &e.Protected }, "Deploys need a commit that is known to be what was asked for. Default: true with approvals or secrets."),
	)).and(finishEnvironment)
}

func approvalShape() kind[ApprovalPolicy] {
	return object("approvals", "Whose yes a deploy needs, and how many.",
		optional("count", small(1, 20), func(a *ApprovalPolicy) *int { return &a.Count }, "How many people must say yes. Default: 1."),
		optional("by", some(written(peopleNames)), func(a *ApprovalPolicy) *[]string { return &a.By }, "Who may: team:slug or user:login, or either with its id. Default: everybody with write access."),
		optional("requester", truth(), func(a *ApprovalPolicy) *bool { return &a.Requester }, "Whether the yes of the person who asked counts. Default: false."),
		optional("expires", duration(time.Minute, 30*day), func(a *ApprovalPolicy) *Duration { return &a.Expires }, "How long the question stays open. Default: 24h."),
	).and(finishApprovals)
}

func requirementShape() kind[Requirements] {
	return object("requires", "What GitHub must say about the commit.",
		optional("checks", some(plainText()), func(r *Requirements) *[]string { return &r.Checks }, "Checks and statuses that must be green: name, name@app to count only one GitHub App's, or a pipeline of this file."),
		optional("reviews", small(0, 20), func(r *Requirements) *int { return &r.Reviews }, "How many approving reviews it needs."),
		optional("up_to_date", truth(), func(r *Requirements) *bool { return &r.UpToDate }, "Whether it must hold all commits of the base branch."),
	)
}

func freezeShape() kind[Freeze] {
	return object("a freeze", "A recurring time in which nothing is deployed.",
		needed("cron", cronTimes(), func(f *Freeze) *string { return &f.Cron }, "When it begins: minute hour day month weekday."),
		needed("for", duration(time.Minute, longest), func(f *Freeze) *Duration { return &f.For }, "How long it lasts."),
		optional("timezone", timezone(), func(f *Freeze) *string { return &f.Timezone }, "IANA name of the time zone. Default: UTC."),
		optional("reason", plainText(), func(f *Freeze) *string { return &f.Reason }, "Why, for people."),
	).and(finishFreeze)
}

func kubernetesShape() kind[KubernetesTarget] {
	return object("kubernetes", "The cluster and namespace an environment lives in.",
		needed("cluster", written(clusterNames), func(k *KubernetesTarget) *string { return &k.Cluster }, "The cluster, by the name the operator gave it."),
		needed("namespace", written(namespaceNames), func(k *KubernetesTarget) *string { return &k.Namespace }, "The namespace."),
	)
}

func pipelineShape(uses []Uses) kind[Pipeline] {
	return object("a pipeline", "A list of steps and what starts it.",
		optional("on", triggerShape(), func(p *Pipeline) *Triggers { return &p.On }, "What starts it."),
		optional("params", named(paramNames, paramShape(), func(p Param, name string) Param { p.Name = name; return p }), func(p *Pipeline) *[]Param { return &p.Params }, "Parameters people may give as --param name=value, by name."),
		needed("steps", list(stepShape(uses)).saying(schema{"minItems": 1, "maxItems": maxSteps}), func(p *Pipeline) *[]Step { return &p.Steps }, "What is done. A step without needs follows the one before it."),
		optional("on_failure", choice(Stop, Rollback), func(p *Pipeline) *OnFailure { return &p.OnFailure }, "What a failed run does with the steps that finished. Default: stop."),
		optional("timeout", duration(time.Minute, longest), func(p *Pipeline) *Duration { return &p.Timeout }, "How long a run may take. Default: 6h, and what its approvals and waits may take."),
	)
}

func triggerShape() kind[Triggers] {
	return object("on", "What starts a pipeline.",
		optional("command", choice("deploy"), func(t *Triggers) *string { return &t.Command }, "A chat command: deploy means /deploy <environment>."),
		optional("pull_request", pointer(orEmpty(pullRequestShape())), func(t *Triggers) **PullRequestTrigger { return &t.PullRequest }, "A pull request that is opened or gets commits."),
		optional("push", pointer(pushShape()), func(t *Triggers) **PushTrigger { return &t.Push }, "A branch that gets commits."),
		optional("schedule", list(scheduleShape()).saying(schema{"minItems": 1}), func(t *Triggers) *[]ScheduleTrigger { return &t.Schedule }, "The clock. The default branch is taken."),
		optional("merge_group", truth(), func(t *Triggers) *bool { return &t.MergeGroup }, "GitHub's merge queue."),
	).saying(schema{"minProperties": 1}).and(func(d *decoder, n *node, t *Triggers) {
		if len(n.keys) == 0 {
			d.report(n, "\"on\" names nothing that starts the pipeline. Leave it out, or name command, pull_request, push, schedule or merge_group.")
		}
	})
}

func pullRequestShape() kind[PullRequestTrigger] {
	return object("pull_request", "A pull request that is opened or gets commits.",
		optional("branches", globs(), func(t *PullRequestTrigger) *[]string { return &t.Branches }, "Base branches, patterns. Default: all."),
		optional("paths", globs(), func(t *PullRequestTrigger) *[]string { return &t.Paths }, "Changed files, patterns. Default: all."),
	)
}

func pushShape() kind[PushTrigger] {
	return object("push", "A branch that gets commits.",
		needed("branches", globs(), func(t *PushTrigger) *[]string { return &t.Branches }, "Branches, patterns."),
		optional("paths", globs(), func(t *PushTrigger) *[]string { return &t.Paths }, "Changed files, patterns. Default: all."),
		optional("environment", written(environmentNames), func(t *PushTrigger) *string { return &t.Environment }, "Where to deploy. Default: nowhere."),
	)
}

func scheduleShape() kind[ScheduleTrigger] {
	return object("a schedule", "A time at which a pipeline starts.",
		needed("cron", cronTimes(), func(t *ScheduleTrigger) *string { return &t.Cron }, "When: minute hour day month weekday."),
		optional("environment", written(environmentNames), func(t *ScheduleTrigger) *string { return &t.Environment }, "Where to deploy. Default: nowhere."),
		optional("timezone", timezone(), func(t *ScheduleTrigger) *string { return &t.Timezone }, "IANA name of the time zone. Default: UTC."),
	).and(func(_ *decoder, _ *node, t *ScheduleTrigger) { fill(&t.Timezone, "UTC") })
}

func paramShape() kind[Param] {
	return object("a parameter", "A parameter people may give.",
		optional("type", choice("string", "int", "bool"), func(p *Param) *string { return &p.Type }, "Default: string."),
		optional("default", scalarValue(), func(p *Param) *any { return &p.Default }, "Its value when none is given."),
		optional("required", truth(), func(p *Param) *bool { return &p.Required }, "Whether it must be given. Default: false."),
		optional("min", pointer(number(math.MinInt64, math.MaxInt64)), func(p *Param) **int64 { return &p.Min }, "The smallest int."),
		optional("max", pointer(number(math.MinInt64, math.MaxInt64)), func(p *Param) **int64 { return &p.Max }, "The largest int."),
		optional("enum", some(plainText()), func(p *Param) *[]string { return &p.Enum }, "The strings it may be."),
		optional("pattern", plainText(), func(p *Param) *string { return &p.Pattern }, "Regular expression (RE2) for the whole string. Default: letters, digits, dots, - and _."),
		optional("help", plainText(), func(p *Param) *string { return &p.Help }, "One line for people."),
	).and(finishParam)
}

func stepShape(uses []Uses) kind[Step] {
	return object("a step", "One piece of work: a script (run) or a runner (uses).",
		needed("name", written(stepNames), func(s *Step) *string { return &s.Name }, "Its name in chat and reports."),
		optional("run", script(), func(s *Step) *string { return &s.Run }, "A shell script. Values arrive as SHIPMATE_* environment variables."),
		optional("uses", written(usesNames), func(s *Step) *string { return &s.Uses }, "A runner, such as kubernetes.rollout, approval or wait."),
		optional("with", plainMapping(), func(s *Step) *map[string]any { return (*map[string]any)(&s.With) }, "The runner's parameters. ${{ ... }} in them is evaluated."),
		optional("image", written(imageNames), func(s *Step) *string { return &s.Image }, "Container image the script runs in."),
		optional("needs", list(written(stepNames)), func(s *Step) *[]string { return &s.Needs }, "Steps that must end first. Default: the one before; [] means none."),
		optional("if", condition(), func(s *Step) *string { return &s.If }, "A CEL expression; the step is skipped if it is false."),
		optional("timeout", duration(time.Second, 30*day), func(s *Step) *Duration { return &s.Timeout }, "How long an attempt may take. Default: 1h."),
		optional("retry", retryShape(), func(s *Step) *Retry { return &s.Retry }, "How often it is tried again."),
		optional("environment", table(variableNames, scalar()), func(s *Step) *map[string]string { return &s.Environment }, "Environment variables of the script."),
		optional("secrets", some(written(variableNames)), func(s *Step) *[]string { return &s.Secrets }, "Secrets it gets, by name: of the environment, or in a check those under checks."),
		optional("outputs", some(written(outputNames)), func(s *Step) *[]string { return &s.Outputs }, "Outputs it may write. Default: any."),
		optional("continue_on_error", truth(), func(s *Step) *bool { return &s.ContinueOnError }, "Whether the run goes on if it fails. Default: false."),
		optional("artifacts", some(plainText()), func(s *Step) *[]string { return &s.Artifacts }, "Files to keep, patterns."),
		optional("after_crash", choice(Ask, Rerun), func(s *Step) *AfterCrash { return &s.AfterCrash }, "What to do when nobody saw how it ended. Default: ask."),
		optional("undo", script(), func(s *Step) *string { return &s.Undo }, "A script that reverts run."),
		optional("reuse", truth(), func(s *Step) *bool { return &s.Reuse }, "In a promotion or a rollback, take the outputs it had then instead of running it again. Default: false."),
		optional("matrix", matrixShape(), func(s *Step) *[]axis { return &s.axes }, "Values the step is done for, each combination as a step of its own."),
		optional("resources", resourcesShape(), func(s *Step) *Resources { return &s.Resources }, "What a script gets of a cluster. Scripts on the bot's own machine take what they need."),
	).saying(schema{"oneOf": []any{schema{"required": []string{"run"}}, schema{"required": []string{"uses"}}}, "dependentRequired": onlyBeside}).
		saying(withSchema(uses)).
		and(finishStep)
}

// onlyBeside are the keys that mean nothing without another.
var onlyBeside = map[string][]string{"with": {"uses"}, "image": {"run"}, "undo": {"run"}, "environment": {"run"}, "resources": {"run"}}

func retryShape() kind[Retry] {
	return object("retry", "How often a failed step is tried again.",
		needed("attempts", small(1, 20), func(r *Retry) *int { return &r.Attempts }, "How often in all, the first time included."),
		optional("backoff", duration(time.Second, day), func(r *Retry) *Duration { return &r.Backoff }, "Time before the second attempt, doubled after each. Default: 10s."),
	).and(func(_ *decoder, _ *node, r *Retry) { fill(&r.Backoff, Duration(10*time.Second)) })
}

// fill sets a default.
func fill[T comparable](at *T, value T) {
	var zero T
	if *at == zero {
		*at = value
	}
}
