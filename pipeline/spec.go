package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is a team's .shipmate.yaml after [Parse] has checked it: names are
// known to be unique and to refer to something, defaults are filled in.
type Config struct {
	Service      string         `json:"service"`
	Checks       Checks         `json:"checks,omitzero"`
	Environments []*Environment `json:"environments,omitempty"`
	Pipelines    []*Pipeline    `json:"pipelines,omitempty"`

	SHA string `json:"sha,omitempty"` // the commit the file was read at
}

// Checks is what runs without an environment may use.
type Checks struct {
	Secrets map[string]string `json:"secrets,omitempty"` // name -> reference, never a value
}

// Environment is the policy of one place to deploy to.
type Environment struct {
	Name        string            `json:"name"`
	Aliases     []string          `json:"aliases,omitempty"`
	URL         string            `json:"url,omitempty"`
	Slack       string            `json:"slack,omitempty"`       // channel, with its "#"
	After       []string          `json:"after,omitempty"`       // environments in which the same commit must run first
	DeployFrom  []string          `json:"deploy_from,omitempty"` // pull_request, default_branch
	Deployers   []string          `json:"deployers,omitempty"`   // team:slug, user:login
	Approvals   *ApprovalPolicy   `json:"approvals,omitempty"`
	Requires    Requirements      `json:"requires,omitzero"`
	Freeze      []Freeze          `json:"freeze,omitempty"`
	Concurrency Concurrency       `json:"concurrency,omitempty"`
	Secrets     map[string]string `json:"secrets,omitempty"` // name -> reference, never a value
	Kubernetes  *KubernetesTarget `json:"kubernetes,omitempty"`
	Protected   bool              `json:"protected,omitempty"` // set, or has approvals or secrets
}

// ApprovalPolicy says whose yes a run needs, and how many.
type ApprovalPolicy struct {
	Count     int      `json:"count"`
	By        []string `json:"by,omitempty"`        // team:slug, user:login; empty: everybody with write access
	Requester bool     `json:"requester,omitempty"` // the requester's own yes counts
	Expires   Duration `json:"expires,omitempty"`   // how long the question stays open; default 24h
}

// Requirements are conditions on the commit.
type Requirements struct {
	Checks    []string `json:"checks,omitempty"`    // that GitHub knows: "name", or "name@app" or "name@id" to count one App's only
	Pipelines []string `json:"pipelines,omitempty"` // those of the file's checks that are pipelines of ours, by name
	Reviews   int      `json:"reviews,omitempty"`
	UpToDate  bool     `json:"up_to_date,omitempty"`
}

// Freeze is a recurring window in which nothing is deployed.
type Freeze struct {
	Cron     string   `json:"cron"` // when it begins, five fields
	For      Duration `json:"for"`
	Timezone string   `json:"timezone,omitempty"` // IANA name, default UTC
	Reason   string   `json:"reason,omitempty"`
}

// Concurrency says what happens to a deploy while another one runs.
type Concurrency string

const (
	Enqueue   Concurrency = "queue"
	Supersede Concurrency = "supersede"
	RefuseNew Concurrency = "refuse"
)

// KubernetesTarget is where an environment lives.
type KubernetesTarget struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
}

// Pipeline is a named list of steps, a DAG by their needs.
type Pipeline struct {
	Name      string            `json:"name"`
	On        Triggers          `json:"on,omitzero"`
	Params    []Param           `json:"params,omitempty"`
	Steps     []Step            `json:"steps"`
	OnFailure OnFailure         `json:"on_failure,omitempty"` // default stop
	Timeout   Duration          `json:"timeout,omitempty"`    // of the whole run, default 6h and what its approvals and waits may take
	Secrets   map[string]string `json:"secrets,omitempty"`    // those of Checks that its steps name, for runs without an environment
}

// OnFailure says what a failed run does with the steps that finished.
type OnFailure string

const (
	Stop     OnFailure = "stop"
	Rollback OnFailure = "rollback"
)

// Triggers say what starts a pipeline besides nothing at all.
type Triggers struct {
	Command     string              `json:"command,omitempty"` // "deploy": /deploy <environment>
	PullRequest *PullRequestTrigger `json:"pull_request,omitempty"`
	Push        *PushTrigger        `json:"push,omitempty"`
	Schedule    []ScheduleTrigger   `json:"schedule,omitempty"`
	MergeGroup  bool                `json:"merge_group,omitempty"`
}

// PullRequestTrigger starts a pipeline when a pull request is opened or moves.
type PullRequestTrigger struct {
	Branches []string `json:"branches,omitempty"` // base branches, globs; empty: all
	Paths    []string `json:"paths,omitempty"`    // changed files, globs; empty: all
}

// PushTrigger starts a pipeline when a branch moves.
type PushTrigger struct {
	Branches    []string `json:"branches,omitempty"`
	Paths       []string `json:"paths,omitempty"`
	Environment string   `json:"environment,omitempty"`
}

// ScheduleTrigger starts a pipeline by the clock, on the default branch's head.
type ScheduleTrigger struct {
	Cron        string `json:"cron"`
	Environment string `json:"environment,omitempty"`
	Timezone    string `json:"timezone,omitempty"` // IANA name, default UTC
}

// Param is a declared parameter: of a pipeline, given as --param name=value, or
// of a runner, given in a step's "with".
type Param struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"` // of a pipeline's: string, int, bool; of a runner's also number, duration, list, map, people, any
	Default  any      `json:"default,omitempty"`
	Required bool     `json:"required,omitempty"`
	Min      *int64   `json:"min,omitempty"`
	Max      *int64   `json:"max,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	Pattern  string   `json:"pattern,omitempty"` // of a string, matched whole; a pipeline's have a safe default
	Items    string   `json:"items,omitempty"`   // of a list: "map" for mappings, else its items are texts
	Help     string   `json:"help,omitempty"`    // one line for people
}

// Step is one piece of work: a script (Run) or a runner (Uses), never both.
type Step struct {
	Name            string            `json:"name"`
	Run             string            `json:"run,omitempty"`
	Uses            string            `json:"uses,omitempty"`
	With            Values            `json:"with,omitempty"`
	Image           string            `json:"image,omitempty"`
	Resources       Resources         `json:"resources,omitzero"` // of a script's container
	Needs           []string          `json:"needs,omitempty"`    // resolved: a step without "needs" needs the one before it
	If              string            `json:"if,omitempty"`
	Timeout         Duration          `json:"timeout,omitempty"` // default 1h; of an approval its "expires", of a wait 1h more than its "for"
	Retry           Retry             `json:"retry,omitzero"`
	Environment     map[string]string `json:"environment,omitempty"` // environment variables of a script
	Secrets         []string          `json:"secrets,omitempty"`     // names declared by the environment, or for checks
	Outputs         []string          `json:"outputs,omitempty"`     // names; empty: whatever the step writes
	ContinueOnError bool              `json:"continue_on_error,omitempty"`
	Artifacts       []string          `json:"artifacts,omitempty"`
	AfterCrash      AfterCrash        `json:"after_crash,omitempty"` // default ask
	Undo            string            `json:"undo,omitempty"`        // a script that reverts Run
	Reuse           bool              `json:"reuse,omitempty"`       // where a deployment is promoted or brought back, its recorded outputs are taken
	Matrix          map[string]string `json:"matrix,omitempty"`      // the values of a step that a matrix made

	axes []axis // of a matrix, until it is resolved
}

// Retry says how often a failed step is tried again. Attempts counts the first.
type Retry struct {
	Attempts int      `json:"attempts,omitempty"`
	Backoff  Duration `json:"backoff,omitempty"` // before the second attempt, doubled after each; default 10s
}

// AfterCrash says what becomes of a script whose outcome nobody saw.
type AfterCrash string

const (
	Ask   AfterCrash = "ask"
	Rerun AfterCrash = "rerun"
)

// Runner returns the name of the runner behind the step; a script's is "run".
func (s Step) Runner() string {
	if s.Uses == "" {
		return "run"
	}
	return s.Uses
}

// Environment finds an environment by name or alias, without regard to ASCII case.
func (c *Config) Environment(name string) (*Environment, bool) {
	for _, e := range c.Environments {
		if strings.EqualFold(e.Name, name) || slices.ContainsFunc(e.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return e, true
		}
	}
	return nil, false
}

// FrozenUntil reports whether nothing is deployed now, and when that ends.
func (e *Environment) FrozenUntil(now time.Time) (until time.Time, frozen bool) {
	_, until, frozen = frozenAt(e.Freeze, now)
	return until, frozen
}

// EnvironmentNames lists the environments in the file's order.
func (c *Config) EnvironmentNames() []string {
	var names []string
	for _, e := range c.Environments {
		names = append(names, e.Name)
	}
	return names
}

// Pipeline finds a pipeline by name.
func (c *Config) Pipeline(name string) (*Pipeline, bool) {
	i := slices.IndexFunc(c.Pipelines, func(p *Pipeline) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return c.Pipelines[i], true
}

// CommandPipeline finds the pipeline that a chat command starts.
func (c *Config) CommandPipeline(command string) (*Pipeline, bool) {
	i := slices.IndexFunc(c.Pipelines, func(p *Pipeline) bool { return p.On.Command == command })
	if i < 0 {
		return nil, false
	}
	return c.Pipelines[i], true
}

// Step finds a step of the pipeline by name.
func (p *Pipeline) Step(name string) (Step, bool) {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return p.Steps[i], true
}

// Duration is written as in Go, "90s" or "1h30m", in JSON. What people write is
// read by [ParseDuration].
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("duration %s: want a text like \"90s\"", b)
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}

// Or returns d, or other if d is zero.
func (d Duration) Or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}
