//go:build crash

package crash

import "github.com/shipmate/shipmate/pipeline"

// story is something people do, and what must come of it.
type story struct {
	name   string
	file   string            // .shipmate.yaml; WORK, FAIL and UNDO are scripts, CHANNEL is the Slack channel
	hold   []string          // steps that wait in the middle until the story goes on
	before func(*play) error // not part of what is killed
	tell   func(*play) error // what people do

	ends   []pipeline.State // of the runs, oldest first
	starts []string         // steps that start, once for each run they are named for
	undone []string         // steps whose undo runs
	cut    []string         // steps that are stopped in the middle
	locked bool             // whether the environment is locked at the end
}

const deployFile = `
service: CHANNEL
environments:
  staging: {}
  prod: {slack: "#CHANNEL", approvals: {count: 1, by: ["team:release-leads"]}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: WORK}
      - {name: release, run: WORK, needs: [build]}
`

const rollbackFile = `
service: CHANNEL
environments:
  staging: {slack: "#CHANNEL"}
pipelines:
  deploy:
    on: {command: deploy}
    on_failure: rollback
    steps:
      - {name: build, run: WORK, undo: UNDO}
      - {name: release, run: FAIL, undo: UNDO, needs: [build]}
`

const checksFile = `
service: CHANNEL
pipelines:
  checks:
    on: {pull_request: {branches: [main]}}
    steps:
      - {name: unit, run: WORK}
      - {name: lint, run: WORK, needs: []}
`

var stories = []*story{
	{
		name: "comment", file: deployFile, before: onePR,
		tell: func(p *play) error { return p.comment(1, "/deploy staging") },
		ends: []pipeline.State{pipeline.Succeeded}, starts: []string{"build", "release"},
	},
	{
		name: "slack", file: deployFile,
		tell: func(p *play) error {
			if err := p.slash("/deploy", p.name+" prod"); err != nil {
				return err
			}
			if err := p.confirm("mona"); err != nil {
				return err
			}
			return p.click("octavia", "Approve")
		},
		ends: []pipeline.State{pipeline.Succeeded}, starts: []string{"build", "release"},
	},
	{
		name: "rollback", file: rollbackFile, before: onePR,
		tell: func(p *play) error { return p.comment(1, "/deploy staging") },
		ends: []pipeline.State{pipeline.RolledBack}, starts: []string{"build", "release"}, undone: []string{"release", "build"}, locked: true,
	},
	{
		name: "checks", file: checksFile,
		tell: onePR,
		ends: []pipeline.State{pipeline.Succeeded}, starts: []string{"unit", "lint"},
	},
	{
		name: "cancel", file: deployFile, before: onePR, hold: []string{"build"},
		tell: func(p *play) error {
			if err := p.comment(1, "/deploy staging"); err != nil {
				return err
			}
			if err := p.waitHeld("build"); err != nil {
				return err
			}
			return p.comment(1, "/cancel")
		},
		ends: []pipeline.State{pipeline.Cancelled}, starts: []string{"build"}, cut: []string{"build"},
	},
	{
		name: "queue", file: deployFile, hold: []string{"build"},
		before: func(p *play) error {
			if err := onePR(p); err != nil {
				return err
			}
			_, err := p.openPR("other")
			return err
		},
		tell: func(p *play) error {
			if err := p.comment(1, "/deploy staging"); err != nil {
				return err
			}
			if err := p.waitHeld("build"); err != nil {
				return err
			}
			if err := p.comment(2, "/deploy staging"); err != nil {
				return err
			}
			if err := p.waitRuns(2); err != nil {
				return err
			}
			p.let()
			return nil
		},
		ends: []pipeline.State{pipeline.Succeeded, pipeline.Succeeded}, starts: []string{"build", "release", "build", "release"},
	},
}

func onePR(p *play) error {
	_, err := p.openPR("sale")
	return err
}
