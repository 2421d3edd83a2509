//go:build !small

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// doctor says what the bot lacks for what its file lets it do.
type doctor struct {
	config     string
	features   []string
	namespaces []string
	output     string
}

func doctorCommand() *cobra.Command {
	var d doctor
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that Redis, GitHub, Slack and the clusters can be reached, and that the bot may do there what it needs",
		Long: `Checks that Redis and every cluster of the settings can be reached. Asks GitHub and
Slack whether they take the keys and tokens, which permissions, events and scopes
are missing, and whether GitHub can deliver its webhooks. Asks each
cluster whether the bot may do what it needs: in the namespaces that rules allow
for deploying there, in those of kubernetes.jobs for running scripts as Jobs. For
what is missing it prints the rules to add to a Role. It changes nothing. Kinds
of objects that few deploy, such as Secrets, are not looked at.

The exit code is 0 if nothing is missing, 1 if something is or does not answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&d.config, "config", "", "settings in YAML, as for serve; environment variables win")
	cmd.Flags().StringSliceVar(&d.features, "feature", nil, "deploy, jobs, helm: what the bot is to do; default deploy, and jobs where scripts run as Jobs")
	cmd.Flags().StringSliceVar(&d.namespaces, "namespace", nil, "namespaces to look at of those that rules allow with a glob")
	cmd.Flags().StringVar(&d.output, "output", "text", "text or json")
	completeFlag(cmd, "output", fixedCompletions("text", "json"))
	return cmd
}

// findings are all that was found.
type findings struct {
	Redis     redisFinding             `json:"redis"`
	Platforms map[string][]bot.Finding `json:"platforms"` // those that are configured
	cluster.Examination
}

type redisFinding struct {
	URL     string `json:"url"` // without its password; "": one of the bot's own
	Problem string `json:"problem,omitempty"`
}

func (d *doctor) run(ctx context.Context, out io.Writer) error {
	if err := oneOf("--output", d.output, "text", "json"); err != nil {
		return &usageError{err}
	}
	if err := d.checkFeatures(); err != nil {
		return &usageError{err}
	}
	cfg, err := loadConfig(d.config, osEnviron())
	if err != nil {
		return &usageError{err}
	}
	clusters, err := cluster.New(cfg.Kubernetes.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		return &usageError{err}
	}
	defer clusters.Close()
	platforms, err := newExaminer(cfg, uncounted)
	if err != nil {
		return err
	}
	f := findings{Redis: checkRedis(ctx, cfg), Platforms: examinePlatforms(ctx, platforms), Examination: clusters.Examine(ctx, d.question(cfg))}
	f.consider(d, cfg)
	if d.output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(f)
	} else {
		_, err = io.WriteString(out, f.text())
	}
	if err == nil && (f.Redis.Problem != "" || !f.OK() || f.platformsLack()) {
		return errors.New("something is missing or does not answer, see above")
	}
	return err
}

func (d *doctor) checkFeatures() error {
	var known []string
	for _, f := range cluster.Features {
		known = append(known, string(f))
	}
	for _, f := range d.features {
		if err := oneOf("--feature", f, known...); err != nil {
			return err
		}
	}
	return nil
}

// wants reports whether the feature is looked at. helm is only where it is asked
// for: it takes all Secrets of a namespace, which few are to have.
func (d *doctor) wants(f cluster.Feature) bool {
	if len(d.features) == 0 {
		return f != cluster.ForHelm
	}
	return slices.Contains(d.features, string(f))
}

func (d *doctor) question(cfg Config) cluster.Question {
	q := cluster.Question{Named: d.namespaces}
	for _, f := range []cluster.Feature{cluster.ForDeploy, cluster.ForHelm} {
		if d.wants(f) {
			q.Deploying = append(q.Deploying, f)
		}
	}
	if jobs := cfg.Kubernetes.Jobs; cfg.Runner == "kubernetes" && d.wants(cluster.ForJobs) {
		q.Places = append(q.Places, cluster.Place{Cluster: jobs.Cluster, Namespace: jobs.Namespace, Feature: cluster.ForJobs})
		for _, p := range jobs.Places {
			q.Places = append(q.Places, cluster.Place{Cluster: jobs.Cluster, Namespace: cmp.Or(p.Namespace, jobs.Namespace), Feature: cluster.ForJobs})
		}
	}
	return q
}

// consider says where nothing was looked at, which is not the same as all being well.
func (f *findings) consider(d *doctor, cfg Config) {
	if slices.Contains(d.features, string(cluster.ForJobs)) && cfg.Runner != "kubernetes" {
		f.Unknown = append(f.Unknown, "Scripts do not run as Jobs, so there is no namespace to look at for that: set runner: kubernetes and kubernetes.jobs.")
	}
	if len(f.Clusters) > 0 && len(cfg.Kubernetes.Allow) == 0 && d.wants(cluster.ForDeploy) {
		f.Notes = append(f.Notes, "No rule lets a repository deploy to a cluster, so nothing is looked at for that: see kubernetes.allow.")
	}
}

func checkRedis(ctx context.Context, cfg Config) redisFinding {
	if cfg.RedisURL == "" {
		return redisFinding{}
	}
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f := redisFinding{URL: redisstore.Redacted(cfg.RedisURL)}
	store, err := redisstore.Open(ctx, redisstore.Config{URL: cfg.RedisURL, Durability: redisstore.Durability(cfg.Durability), Insecure: cfg.Insecure, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = errors.Join(store.Ping(ctx), store.Close())
	}
	if err != nil {
		f.Problem = err.Error()
		if pipeline.Code(err) != "" {
			f.Problem = pipeline.Message(err)
		}
	}
	return f
}

// text is the findings as tables, and what to do about them.
func (f findings) text() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	line := func(cells ...string) { fmt.Fprintln(table, strings.Join(cells, "\t")) }
	switch {
	case f.Redis.URL == "":
		line("Redis", "one of the bot's own, on its data folder")
	default:
		line("Redis", f.Redis.URL, okOr(f.Redis.Problem))
	}
	for _, platform := range slices.Sorted(maps.Keys(f.Platforms)) {
		line(platform, "", okOr(summary(f.Platforms[platform])))
	}
	for _, c := range f.Clusters {
		line("Cluster "+c.Cluster, c.Version, okOr(c.Problem))
	}
	_ = table.Flush() // it writes to memory
	b.WriteString(f.platformTexts())
	if len(f.Namespaces) > 0 {
		b.WriteString("\n")
		line("CLUSTER", "NAMESPACE", "FEATURE", "RIGHTS")
		for _, r := range f.Namespaces {
			line(r.Cluster, r.Namespace, string(r.Feature), rights(r))
		}
		_ = table.Flush()
	}
	for _, u := range slices.Concat(f.Unknown, f.Notes) {
		b.WriteString("\n" + u + "\n")
	}
	b.WriteString(f.remedy())
	return b.String()
}

func okOr(problem string) string {
	if problem == "" {
		return "ok"
	}
	return problem
}

func rights(r cluster.Rights) string {
	if r.Problem != "" {
		return r.Problem
	}
	if r.MayNotExist {
		return "nothing is allowed; the namespace may not exist"
	}
	if len(r.Missing) == 0 {
		return "ok"
	}
	var missing []string
	for _, n := range r.Missing {
		missing = append(missing, n.Resource+" ("+strings.Join(n.Verbs, ", ")+")")
	}
	const most = 3
	if len(missing) > most {
		missing = append(missing[:most], fmt.Sprintf("and %d more", len(missing)-most))
	}
	return "missing: " + strings.Join(missing, ", ")
}

// remedy is what to add, once for each namespace.
func (f findings) remedy() string {
	var b strings.Builder
	type place struct{ cluster, namespace string }
	var order []place
	missing, needed, mayNotExist := map[place][]cluster.Need{}, map[place][]cluster.Need{}, map[place]bool{}
	for _, r := range f.Namespaces {
		at := place{r.Cluster, r.Namespace}
		if len(r.Missing) > 0 && !slices.Contains(order, at) {
			order = append(order, at)
		}
		mayNotExist[at] = mayNotExist[at] || r.MayNotExist
		missing[at], needed[at] = append(missing[at], r.Missing...), append(needed[at], cluster.Needs(r.Feature)...)
	}
	for _, at := range order {
		rules := cluster.Rules(cluster.Merged(missing[at]))
		if rules == cluster.Rules(cluster.Merged(needed[at])) {
			fmt.Fprintf(&b, "\nNothing is allowed in the namespace %s of %s: see that a RoleBinding names the bot's account.\n", at.namespace, at.cluster)
			if mayNotExist[at] {
				fmt.Fprintf(&b, "It may not exist, which shipmate may not look up: kubectl get namespace %s. Make it, or correct its name in the bot's settings.\n", at.namespace)
			}
		}
		fmt.Fprintf(&b, "\nAdd to the bot's Role in the namespace %s of %s:\n\n%s", at.namespace, at.cluster, rules)
	}
	return b.String()
}
