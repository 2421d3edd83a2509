package job

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// Config is what the operator says of Jobs: `kubernetes: {jobs: ...}`.
type Config struct {
	Cluster      string   `yaml:"cluster"`       // one of kubernetes.clusters
	Namespace    string   `yaml:"namespace"`     // where no place says otherwise
	Image        string   `yaml:"image"`         // of shipmate itself: brings the shim
	DefaultImage string   `yaml:"default_image"` // of steps without "image:"; empty: those are refused
	Images       []string `yaml:"images"`        // globs a step's image must match; empty: all
	User         int64    `yaml:"user"`          // numeric user and group of scripts; default 65532

	Requests Amounts `yaml:"requests"` // of steps without "resources:"
	Limits   Amounts `yaml:"limits"`   // of steps without "resources:"
	Max      Amounts `yaml:"max"`      // of what "resources:" may ask for

	Places []Place `yaml:"places"` // the first that fits decides

	StartDeadline time.Duration `yaml:"start_deadline"` // for a pod to begin; default 10m
	PullPatience  time.Duration `yaml:"pull_patience"`  // with an image that cannot be pulled, or a pod that is refused; default 30s
	Linger        time.Duration `yaml:"linger"`         // how long an ended pod waits for the bot; default 10m
	Grace         time.Duration `yaml:"grace"`          // between SIGTERM and SIGKILL; default 10s
}

// Amounts are Kubernetes quantities: "500m", "2Gi".
type Amounts struct {
	CPU    string `yaml:"cpu"`
	Memory string `yaml:"memory"`
}

// Place says where the scripts of some environments run. All lists are globs;
// no environments mean all runs, also those without one.
type Place struct {
	Repo           string            `yaml:"repo"`
	Environments   []string          `yaml:"environments"`
	Namespace      string            `yaml:"namespace"`
	ServiceAccount string            `yaml:"service_account"` // whose token scripts get; empty: none
	NodeSelector   map[string]string `yaml:"node_selector"`
	Tolerations    []Toleration      `yaml:"tolerations"`
}

// Toleration is a pod's, see kubectl explain pod.spec.tolerations.
type Toleration struct {
	Key      string `yaml:"key"`
	Operator string `yaml:"operator"`
	Value    string `yaml:"value"`
	Effect   string `yaml:"effect"`
}

const (
	defaultUser  = 65532
	defaultStart = 10 * time.Minute
)

func (c Config) withDefaults() Config {
	if c.User == 0 {
		c.User = defaultUser
	}
	for setting, value := range map[*time.Duration]time.Duration{
		&c.StartDeadline: defaultStart, &c.PullPatience: 30 * time.Second, &c.Linger: 10 * time.Minute, &c.Grace: 10 * time.Second,
	} {
		if *setting == 0 {
			*setting = value
		}
	}
	return c
}

// dnsLabel is what may name a namespace or a service account here.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// Check finds what is wrong without talking to a cluster. Errors name the setting.
func (c Config) Check(clusters []string) error {
	const at = "kubernetes.jobs"
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(at+"."+format, args...)) }
	if !slices.Contains(clusters, c.Cluster) {
		wrong("cluster: %q is not one of kubernetes.clusters (%s)", c.Cluster, strings.Join(clusters, ", "))
	}
	if !dnsLabel.MatchString(c.Namespace) {
		wrong("namespace: %q is not the name of a namespace; Jobs need one", c.Namespace)
	}
	if err := script.CheckImage(c.Image); err != nil {
		wrong("image: name shipmate's own. %s", pipeline.Message(err))
	}
	if err := script.CheckImage(c.DefaultImage); c.DefaultImage != "" && err != nil {
		wrong("default_image: %s", pipeline.Message(err))
	}
	if c.User < 0 {
		wrong("user: %d must be above 0: scripts do not run as root", c.User)
	}
	if err := pipeline.CheckGlobs(c.Images); err != nil {
		wrong("images: %w", err)
	}
	for name, a := range map[string]Amounts{"requests": c.Requests, "limits": c.Limits, "max": c.Max} {
		if _, err := a.parse(); err != nil {
			wrong("%s.%w", name, err)
		}
	}
	for name, d := range map[string]time.Duration{"start_deadline": c.StartDeadline, "pull_patience": c.PullPatience, "linger": c.Linger, "grace": c.Grace} {
		if d < 0 {
			wrong("%s: %s must not be negative", name, d)
		}
	}
	for i, p := range c.Places {
		if err := p.check(); err != nil {
			wrong("places[%d].%w", i, err)
		}
	}
	return errors.Join(errs...)
}

func (p Place) check() error {
	if p.Repo == "" {
		return errors.New("repo: say which repositories, ** for all")
	}
	if err := cmp.Or(pipeline.CheckGlobs([]string{p.Repo}), pipeline.CheckGlobs(p.Environments)); err != nil {
		return err
	}
	for setting, name := range map[string]string{"namespace": p.Namespace, "service_account": p.ServiceAccount} {
		if name != "" && !dnsLabel.MatchString(name) {
			return fmt.Errorf("%s: %q cannot be a name in Kubernetes", setting, name)
		}
	}
	return nil
}

// quantities are Amounts that were read; nil where nothing was said.
type quantities struct {
	cpu, memory *resource.Quantity
}

func (a Amounts) parse() (q quantities, err error) {
	if q.cpu, err = quantity("cpu", a.CPU); err != nil {
		return q, err
	}
	q.memory, err = quantity("memory", a.Memory)
	return q, err
}

func quantity(name, text string) (*resource.Quantity, error) {
	if text == "" {
		return nil, nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() <= 0 {
		return nil, fmt.Errorf("%s: %q is not an amount above zero as Kubernetes writes it, such as 500m or 2Gi", name, text)
	}
	return &q, nil
}
