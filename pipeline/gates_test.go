package pipeline_test

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// asked is a question to the gates in which all of them pass, for a row to spoil.
type asked struct {
	q     pipeline.Question
	facts pipeline.Facts
}

func fine() *asked {
	return &asked{
		q: pipeline.Question{Run: "r-1", SHA: "5a5a5a5a", PR: 4, Trigger: pipeline.ByCommand, Actor: pipeline.Actor{ID: 1, Login: "mona"}},
		facts: pipeline.Facts{
			Policy:      &pipeline.Environment{Name: "prod", After: []string{"staging"}, DeployFrom: []string{"pull_request"}, Protected: true},
			Environment: &pipeline.EnvironmentState{},
			Live: &pipeline.Live{
				People:      map[int64]pipeline.Standing{1: {Login: "mona", Permission: pipeline.Write}, 2: {Login: "octavia", Permission: pipeline.Write, Teams: []string{"leads"}}},
				PullRequest: &pipeline.PullRequest{Head: "5a5a5a5a", Into: "main", Merge: pipeline.MergeClean, Open: true},
				AfterOK:     map[string]bool{"staging": true},
			},
		},
	}
}

func TestGates(t *testing.T) {
	rollback := func(change func(*asked)) func(*asked) {
		return func(a *asked) { a.q.Trigger = pipeline.ByRollback; change(a) }
	}
	fork := func(a *asked) { a.facts.Live.PullRequest.Fork = true }
	checks := func(change func(*asked)) func(*asked) {
		return func(a *asked) { change(a); a.facts.Policy, a.facts.Environment = nil, nil }
	}
	allowed := func(id int64) func(*asked) {
		return func(a *asked) {
			fork(a)
			a.q.Allowed = []pipeline.Approval{{Gate: pipeline.GateFork, By: pipeline.Actor{ID: id}, Yes: true, SHA: a.q.SHA}}
		}
	}
	moved := func(a *asked) { a.facts.Live.PullRequest.Head = "6b6b6b6b" }
	draft := func(a *asked) { a.facts.Live.PullRequest.Draft = true }
	main := func(a *asked) { a.facts.Live.OnDefault = true }
	order := func(a *asked) { a.facts.Live.AfterOK = nil }
	lock := func(a *asked) {
		a.facts.Environment.Lock = &pipeline.Lock{By: pipeline.Actor{Login: "eve"}, Reason: "audit"}
	}
	approvals := func(a *asked) {
		a.facts.Policy.Approvals = &pipeline.ApprovalPolicy{Count: 1, By: []string{"team:leads"}}
	}
	yes := func(id int64) func(*asked) {
		return func(a *asked) {
			approvals(a)
			a.q.Approvals = []pipeline.Approval{{By: pipeline.Actor{ID: id, Login: "octavia"}, Yes: true, SHA: a.q.SHA}}
		}
	}
	frozen := func(a *asked) {
		a.facts.Policy.Freeze = []pipeline.Freeze{{Cron: "0 10 * * *", For: pipeline.Duration(4 * time.Hour), Reason: "lunch"}}
	}
	for _, row := range []struct {
		name, gate string
		change     func(*asked)
		want       pipeline.GateState
		code       string
	}{
		{"GitHub cannot be asked", pipeline.GateVerify, func(a *asked) { a.facts.Live.Unverified = "it refused" }, pipeline.Fails, "cannot_verify"},
		{"GitHub cannot be asked just now", pipeline.GateVerify, func(a *asked) { a.facts.Live.Unverified, a.facts.Live.Again = "its list broke off", true }, pipeline.Waits, "cannot_verify"},
		{"the base is the one it was asked for", pipeline.GateHead, func(a *asked) { a.q.Base = "main" }, pipeline.Passes, ""},
		{"the base was changed", pipeline.GateHead, func(a *asked) { a.q.Base = "release" }, pipeline.Fails, "base_changed"},
		{"the base was changed before it was merged", pipeline.GateHead, func(a *asked) { a.q.Base = "release"; a.facts.Live.PullRequest.Merged = true }, pipeline.Fails, "base_changed"},
		{"a rollback after the base was changed", pipeline.GateHead, rollback(func(a *asked) { a.q.Base = "release" }), pipeline.Passes, ""},
		{"who has write access may", pipeline.GateRole, func(*asked) {}, pipeline.Passes, ""},
		{"who has triage may not", pipeline.GateRole, func(a *asked) { a.facts.Live.People[1] = pipeline.Standing{Permission: pipeline.Triage} }, pipeline.Fails, "not_allowed"},
		{"who is unknown may not", pipeline.GateRole, func(a *asked) { a.facts.Live.People = nil }, pipeline.Fails, "not_allowed"},
		{"where deployers are named others may not", pipeline.GateRole, func(a *asked) { a.facts.Policy.Deployers = []string{"team:leads"} }, pipeline.Fails, "not_allowed"},
		{"a deployer by name may", pipeline.GateRole, func(a *asked) {
			a.facts.Policy.Deployers = []string{"user:Mona"}
			a.facts.Live.People[1] = pipeline.Standing{Login: "mona", Users: []string{"mona"}}
		}, pipeline.Passes, ""},
		{"a name alone gives no right", pipeline.GateRole, func(a *asked) { a.facts.Policy.Deployers = []string{"user:mona"} }, pipeline.Fails, "not_allowed"},
		{"who has taken over a name may not", pipeline.GateRole, func(a *asked) {
			a.facts.Policy.Deployers = []string{"user:mona"}
			a.facts.Live.People[1] = pipeline.Standing{Login: "mona", Permission: pipeline.Admin, Mistaken: []pipeline.Mistaken{{Entry: "user:mona", Means: 9, Now: 1}}}
		}, pipeline.Fails, "name_reused"},
		{"a deployer by team may", pipeline.GateRole, func(a *asked) { a.facts.Policy.Deployers = []string{"team:leads"}; a.q.Actor.ID = 2 }, pipeline.Passes, ""},
		{"nobody asked", pipeline.GateRole, func(a *asked) { a.q.Actor = pipeline.Bot() }, pipeline.Passes, ""},
		{"a fork", pipeline.GateFork, fork, pipeline.Fails, "fork"},
		{"a rollback beside a fork", pipeline.GateFork, rollback(fork), pipeline.Passes, ""},
		{"a fork that deploys nowhere", pipeline.GateFork, checks(fork), pipeline.Waits, "fork"},
		{"a fork that somebody with write access has read", pipeline.GateFork, checks(allowed(2)), pipeline.Passes, ""},
		{"a fork that somebody without has read", pipeline.GateFork, checks(allowed(3)), pipeline.Waits, "fork"},
		{"a fork that only its author has read", pipeline.GateFork, checks(func(a *asked) { allowed(2)(a); a.facts.Live.PullRequest.Author = 2 }), pipeline.Waits, "fork"},
		{"a fork that was read is still not deployed", pipeline.GateFork, allowed(2), pipeline.Fails, "fork"},
		{"what is promoted may be older than its pull request", pipeline.GateHead, func(a *asked) { moved(a); a.q.Promoted = true }, pipeline.Passes, ""},
		{"it was closed", pipeline.GateHead, func(a *asked) { a.facts.Live.PullRequest.Open = false }, pipeline.Fails, "closed"},
		{"it was merged", pipeline.GateHead, func(a *asked) { a.facts.Live.PullRequest.Open, a.facts.Live.PullRequest.Merged = false, true }, pipeline.Passes, ""},
		{"a rollback after it was closed", pipeline.GateHead, rollback(func(a *asked) { a.facts.Live.PullRequest.Open = false }), pipeline.Passes, ""},
		{"the head moved", pipeline.GateHead, moved, pipeline.Fails, "head_moved"},
		{"the head moved after the merge", pipeline.GateHead, func(a *asked) { moved(a); a.facts.Live.PullRequest.Merged = true }, pipeline.Fails, "head_moved"},
		{"a rollback after the head moved", pipeline.GateHead, rollback(moved), pipeline.Passes, ""},
		{"a draft", pipeline.GateDraft, draft, pipeline.Fails, "draft"},
		{"a draft where nothing is protected", pipeline.GateDraft, func(a *asked) { draft(a); a.facts.Policy.Protected = false }, pipeline.Passes, ""},
		{"a rollback beside a draft", pipeline.GateDraft, rollback(draft), pipeline.Passes, ""},
		{"from a pull request", pipeline.GateSource, func(*asked) {}, pipeline.Passes, ""},
		{"from the default branch, which is not allowed", pipeline.GateSource, main, pipeline.Fails, "wrong_source"},
		{"a rollback from there", pipeline.GateSource, rollback(main), pipeline.Passes, ""},
		{"staging runs this commit", pipeline.GateOrder, func(*asked) {}, pipeline.Passes, ""},
		{"staging runs another commit", pipeline.GateOrder, order, pipeline.Waits, "order"},
		{"a rollback needs no staging", pipeline.GateOrder, rollback(order), pipeline.Passes, ""},
		{"a freeze", pipeline.GateFreeze, frozen, pipeline.Waits, "frozen"},
		{"a rollback in a freeze", pipeline.GateFreeze, rollback(frozen), pipeline.Passes, ""},
		{"an approval is missing", pipeline.GateApproval, approvals, pipeline.Waits, "approval"},
		{"an approval is there", pipeline.GateApproval, yes(2), pipeline.Passes, ""},
		{"an approval of somebody who may not", pipeline.GateApproval, yes(1), pipeline.Waits, "approval"},
		{"an approval of somebody who left the team", pipeline.GateApproval, func(a *asked) { yes(2)(a); a.facts.Live.People[2] = pipeline.Standing{Permission: pipeline.Admin} }, pipeline.Waits, "approval"},
		{"a rollback needs no approval", pipeline.GateApproval, rollback(approvals), pipeline.Passes, ""},
		{"a lock", pipeline.GateLock, lock, pipeline.Waits, "locked"},
		{"a lock of everything", pipeline.GateLock, func(a *asked) { lock(a); a.facts.Everywhere, a.facts.Environment.Lock = a.facts.Environment.Lock, nil }, pipeline.Waits, "locked"},
		{"a lock of everything that has expired", pipeline.GateLock, func(a *asked) {
			lock(a)
			a.facts.Everywhere, a.facts.Environment.Lock = a.facts.Environment.Lock, nil
			a.facts.Everywhere.Expires = noon
		}, pipeline.Passes, ""},
		{"a rollback passes a lock of everything", pipeline.GateLock, rollback(func(a *asked) { lock(a); a.facts.Everywhere = a.facts.Environment.Lock }), pipeline.Passes, ""},
		{"a lock that has just expired", pipeline.GateLock, func(a *asked) { lock(a); a.facts.Environment.Lock.Expires = noon }, pipeline.Passes, ""},
		{"a lock that lasts a moment longer", pipeline.GateLock, func(a *asked) { lock(a); a.facts.Environment.Lock.Expires = noon.Add(1) }, pipeline.Waits, "locked"},
		{"a rollback passes a lock", pipeline.GateLock, rollback(lock), pipeline.Passes, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := fine()
			row.change(a)
			for _, g := range pipeline.Gates(a.q, a.facts, noon) {
				switch {
				case g.Name == row.gate && (g.State != row.want || g.Code != row.code):
					t.Errorf("%s: got %s %q: %s; want %s %q", g.Name, g.State, g.Code, g.Sentence, row.want, row.code)
				case g.Name != row.gate && g.State != pipeline.Passes:
					t.Errorf("%s: %s: %s", g.Name, g.State, g.Sentence)
				case g.State != pipeline.Passes && (g.Sentence == "" || g.Fix == "" && g.Code != "rollback_over"):
					t.Errorf("%s does not say what to do: %+v", g.Name, g)
				}
			}
		})
	}
}

func TestTurnInAnEnvironment(t *testing.T) {
	env := func(active pipeline.RunID, queue ...pipeline.RunID) func(*asked) {
		return func(a *asked) { a.facts.Environment.Active, a.facts.Environment.Queue = active, queue }
	}
	refuse := func(change func(*asked)) func(*asked) {
		return func(a *asked) { change(a); a.facts.Policy.Concurrency = pipeline.RefuseNew }
	}
	thought := func(change func(*asked)) func(*asked) {
		return func(a *asked) { change(a); a.q.Run = "" }
	}
	rollback := func(change func(*asked)) func(*asked) {
		return func(a *asked) { change(a); a.q.Trigger = pipeline.ByRollback }
	}
	for _, row := range []struct {
		name   string
		change func(*asked)
		want   pipeline.GateState
		says   string
	}{
		{"the environment is free", env(""), pipeline.Passes, "Nobody else deploys."},
		{"it has the environment already", env("r-1"), pipeline.Passes, "It has its turn."},
		{"it is first in the queue", env("", "r-1", "r-2"), pipeline.Passes, "Nobody else deploys."},
		{"it is second in the queue", env("", "r-2", "r-1"), pipeline.Waits, "Number 2 in the queue of prod. The one ahead of it goes first."},
		{"another one deploys", env("r-0", "r-1"), pipeline.Waits, "Number 1 in the queue of prod. Run r-0 has it."},
		{"it would stand at the end", env("r-0", "r-2", "r-3"), pipeline.Waits, "Number 3 in the queue of prod. Run r-0 has it."},
		{"one only thought of would stand at the end", thought(env("r-0", "r-2")), pipeline.Waits, "Number 2 in the queue of prod. Run r-0 has it."},
		{"one only thought of never has the turn of nobody", thought(env("", "r-2")), pipeline.Waits, "Number 2 in the queue of prod. The one ahead of it goes first."},
		{"others are refused", refuse(env("r-0")), pipeline.Fails, "Run r-0 has prod, and others are refused meanwhile."},
		{"others are refused before they are made", refuse(thought(env("r-0"))), pipeline.Fails, "Run r-0 has prod, and others are refused meanwhile."},
		{"nobody is refused while nobody deploys", refuse(env("", "r-1")), pipeline.Passes, "Nobody else deploys."},
		{"a rollback is not refused", rollback(refuse(env("r-0"))), pipeline.Waits, "Number 1 in the queue of prod. Run r-0 has it."},
		{"a rollback goes ahead of who waits", rollback(env("", "r-2", "r-3")), pipeline.Passes, "Nobody else deploys."},
		{"a redeploy works beside the run it serves", rollback(func(a *asked) { env("r-0", "r-2")(a); a.q.Parent = "r-0" }), pipeline.Passes, "It has its turn."},
		{"a redeploy is nothing without it", rollback(func(a *asked) { env("r-2")(a); a.q.Parent = "r-0" }), pipeline.Fails, "Run r-0, which this one was to help, has ended."},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := fine()
			row.change(a)
			gates := pipeline.Gates(a.q, a.facts, noon)
			if g := gates[len(gates)-1]; g.State != row.want || g.Sentence != row.says {
				t.Errorf("got %s %q, want %s %q", g.State, g.Sentence, row.want, row.says)
			}
		})
	}
}

func TestMayApprove(t *testing.T) {
	mona, octavia := pipeline.Actor{ID: 1}, int64(2)
	leads := []string{"team:leads", "user:hubot"}
	write, lead := pipeline.Standing{Permission: pipeline.Write}, pipeline.Standing{Permission: pipeline.Read, Teams: []string{"Leads"}}
	for _, row := range []struct {
		name     string
		policy   pipeline.ApprovalPolicy
		who      pipeline.Standing
		id       int64
		excluded []int64
		may      bool
	}{
		{"anybody with write access", pipeline.ApprovalPolicy{}, write, octavia, nil, true},
		{"nobody with less", pipeline.ApprovalPolicy{}, pipeline.Standing{Permission: pipeline.Triage}, octavia, nil, false},
		{"nobody who is unknown", pipeline.ApprovalPolicy{}, pipeline.Standing{}, octavia, nil, false},
		{"who is in the team, whatever the access", pipeline.ApprovalPolicy{By: leads}, lead, octavia, nil, true},
		{"who is named", pipeline.ApprovalPolicy{By: leads}, pipeline.Standing{Users: []string{"Hubot"}}, octavia, nil, true},
		{"who has the name now and is not meant", pipeline.ApprovalPolicy{By: leads}, pipeline.Standing{Login: "hubot", Permission: pipeline.Admin}, octavia, nil, false},
		{"an administrator who is not in the list may not", pipeline.ApprovalPolicy{By: leads}, pipeline.Standing{Permission: pipeline.Admin}, octavia, nil, false},
		{"who asked may not", pipeline.ApprovalPolicy{}, write, 1, nil, false},
		{"who asked may where the policy says so", pipeline.ApprovalPolicy{Requester: true}, write, 1, nil, true},
		{"who asked and wrote it may where the policy says so", pipeline.ApprovalPolicy{Requester: true}, write, 1, []int64{1}, true},
		{"who asked must be in the list all the same", pipeline.ApprovalPolicy{Requester: true, By: leads}, write, 1, nil, false},
		{"who wrote it may not", pipeline.ApprovalPolicy{}, write, octavia, []int64{octavia}, false},
		{"who wrote it may not for somebody else who may", pipeline.ApprovalPolicy{Requester: true}, write, octavia, []int64{octavia}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if why := pipeline.MayApprove(row.policy, row.who, row.id, mona, row.excluded); (why == "") != row.may {
				t.Errorf("may: %t, because %q", why == "", why)
			}
		})
	}
}

func TestFreezeWindows(t *testing.T) {
	const berlin, newYork = "Europe/Berlin", "America/New_York"
	window := func(cron, length, zone string) pipeline.Freeze {
		d, err := time.ParseDuration(length)
		if err != nil {
			t.Fatal(err)
		}
		return pipeline.Freeze{Cron: cron, For: pipeline.Duration(d), Timezone: zone}
	}
	weekend := window("0 16 * * FRI", "64h", berlin)
	for _, row := range []struct {
		name   string
		window pipeline.Freeze
		now    string // in UTC
		end    string // "" while it is not open
	}{
		{"before it begins", weekend, "2026-01-09 14:59", ""},
		{"when it begins", weekend, "2026-01-09 15:00", "2026-01-12 07:00"},
		{"just before it ends", weekend, "2026-01-12 06:59", "2026-01-12 07:00"},
		{"when it ends", weekend, "2026-01-12 07:00", ""},
		{"over the short night of spring it is 64 hours", weekend, "2026-03-29 12:00", "2026-03-30 07:00"},
		{"over the long night of autumn it is 64 hours", weekend, "2026-10-25 12:00", "2026-10-26 06:00"},
		{"in summer it begins an hour earlier in UTC", weekend, "2026-07-10 14:00", "2026-07-13 06:00"},
		{"a time of day that is left out in Berlin begins one right after the gap", window("30 2 * * *", "1h", berlin), "2026-03-29 01:00", "2026-03-29 02:00"},
		{"and not before it", window("30 2 * * *", "1h", berlin), "2026-03-29 00:59", ""},
		{"a time of day that is left out in New York begins one right after the gap", window("30 2 * * *", "1h", newYork), "2026-03-08 07:40", "2026-03-08 08:00"},
		{"a time of day that comes twice in Berlin begins one", window("30 2 * * *", "30m", berlin), "2026-10-25 00:40", "2026-10-25 01:00"},
		{"and no other one", window("30 2 * * *", "30m", berlin), "2026-10-25 01:40", ""},
		{"a time of day that comes twice in New York begins one", window("30 1 * * *", "30m", newYork), "2026-11-01 05:40", "2026-11-01 06:00"},
		{"and no other one there", window("30 1 * * *", "30m", newYork), "2026-11-01 06:40", ""},
		{"every hour means both", window("30 * * * *", "30m", berlin), "2026-10-25 01:40", "2026-10-25 02:00"},
		{"after the clocks went on it is the new time that counts", window("0 4 * * *", "1h", berlin), "2026-03-29 03:10", ""},
		{"the day after the clocks went on", window("0 9 * * *", "1h", newYork), "2026-03-09 13:10", "2026-03-09 14:00"},
		{"the day after the clocks went back", window("0 9 * * *", "1h", newYork), "2026-11-02 14:10", "2026-11-02 15:00"},
		{"windows of one rule that overlap end with the last", window("0 * * * *", "90m", ""), "2026-01-09 12:10", "2026-01-09 13:30"},
		{"over midnight, before it", window("30 23 * * *", "1h", berlin), "2026-01-09 22:45", "2026-01-09 23:30"},
		{"over midnight, after it", window("30 23 * * *", "1h", berlin), "2026-01-09 23:15", "2026-01-09 23:30"},
		{"over midnight, when it ends", window("30 23 * * *", "1h", berlin), "2026-01-09 23:30", ""},
		{"over the year's end", window("0 18 20 12 *", "336h", newYork), "2027-01-02 12:00", "2027-01-03 23:00"},
		{"over the year's end, when it ends", window("0 18 20 12 *", "336h", newYork), "2027-01-03 23:00", ""},
		{"the last minute of the year", window("59 23 31 12 *", "2m", "Pacific/Kiritimati"), "2026-12-31 10:00", "2026-12-31 10:01"},
		{"only where the date is the 29th of February", window("0 0 29 2 *", "24h", ""), "2028-02-29 12:00", "2028-03-01 00:00"},
		{"no 29th of February this year", window("0 0 29 2 *", "24h", ""), "2026-03-01 00:00", ""},
		{"over midnight and the gap of spring", window("30 23 28 3 *", "4h", berlin), "2026-03-29 02:00", "2026-03-29 02:30"},
		{"over midnight and the double hour of autumn", window("30 23 24 10 *", "4h", berlin), "2026-10-25 01:00", "2026-10-25 01:30"},
		{"over the double hour it is real time that counts", window("0 2 * * *", "90m", berlin), "2026-10-25 01:00", "2026-10-25 01:30"},
		{"clocks that move by half an hour, left out", window("15 2 * * *", "30m", "Australia/Lord_Howe"), "2026-10-03 15:30", "2026-10-03 16:00"},
		{"clocks that move by half an hour, twice", window("45 1 * * *", "10m", "Australia/Lord_Howe"), "2026-04-04 14:50", "2026-04-04 14:55"},
		{"clocks that move by half an hour, the second time", window("45 1 * * *", "10m", "Australia/Lord_Howe"), "2026-04-04 15:20", ""},
		{"a day that begins at one o'clock", window("0 0 * * *", "1h", "Africa/Cairo"), "2026-04-23 22:30", "2026-04-23 23:00"},
		{"a quarter of an hour off", window("0 9 * * *", "1h", "Asia/Kathmandu"), "2026-01-09 03:15", "2026-01-09 04:15"},
		{"in the south it is summer in January", window("0 9 * * *", "1h", "Australia/Sydney"), "2026-01-08 22:30", "2026-01-08 23:00"},
		{"where there is no summer time", window("0 9 * * *", "1h", "Asia/Tokyo"), "2026-07-09 00:30", "2026-07-09 01:00"},
		{"longer than a week", window("0 0 1 * *", "240h", ""), "2026-02-10 23:59", "2026-02-11 00:00"},
		{"a zone nobody knows keeps deploys away", window("0 9 * * *", "1h", "Mars/Olympus"), "2026-01-09 12:00", "2026-01-09 13:00"},
		{"a rule nobody can read keeps deploys away", window("often", "1h", ""), "2026-01-09 12:00", "2026-01-09 13:00"},
	} {
		t.Run(row.name, func(t *testing.T) {
			now, err := time.Parse("2006-01-02 15:04", row.now)
			if err != nil {
				t.Fatal(err)
			}
			end, open := row.window.At(now)
			got := ""
			if open {
				got = end.UTC().Format("2006-01-02 15:04")
			}
			if got != row.end {
				t.Errorf("got %q, want %q", got, row.end)
			}
		})
	}
}

// Several windows, of several zones: the freeze goes on until none is open.
func TestFreezesOfSeveralZones(t *testing.T) {
	window := func(cron, zone string, length time.Duration) pipeline.Freeze {
		return pipeline.Freeze{Cron: cron, For: pipeline.Duration(length), Timezone: zone, Reason: zone}
	}
	day := []pipeline.Freeze{window("0 9 * * *", "Asia/Tokyo", 8*time.Hour), window("0 9 * * *", "Europe/Berlin", 8*time.Hour), window("0 9 * * *", "America/New_York", 8*time.Hour)}
	holidays := []pipeline.Freeze{window("0 12 24 12 *", "Europe/Berlin", 72*time.Hour), window("0 0 27 12 *", "America/New_York", 48*time.Hour), window("0 0 31 12 *", "UTC", 36*time.Hour)}
	for _, row := range []struct {
		name    string
		windows []pipeline.Freeze
		now     string
		until   string // "" while nothing is frozen
		reason  string
	}{
		{"round the clock, one after the other", day, "2026-01-09 01:00", "2026-01-09 22:00", "Asia/Tokyo"},
		{"two are open, the first of the list is named", day, "2026-01-09 15:00", "2026-01-09 22:00", "Europe/Berlin"},
		{"between New York and Tokyo", day, "2026-01-09 22:00", "", ""},
		{"New York has gone over to summer time, Berlin has not", day, "2026-03-16 12:00", "2026-03-16 21:00", "Europe/Berlin"},
		{"in summer Tokyo leaves a gap no longer to Berlin", day, "2026-07-09 07:30", "2026-07-09 21:00", "Asia/Tokyo"},
		{"between the holidays it is frozen on", holidays, "2026-12-25 00:00", "2026-12-29 05:00", "Europe/Berlin"},
		{"between the holidays there is a gap", holidays, "2026-12-29 05:00", "", ""},
		{"over the year's end", holidays, "2026-12-31 23:59", "2027-01-01 12:00", "UTC"},
	} {
		t.Run(row.name, func(t *testing.T) {
			now, err := time.Parse("2006-01-02 15:04", row.now)
			if err != nil {
				t.Fatal(err)
			}
			env := &pipeline.Environment{Name: "prod", Freeze: row.windows}
			reason, until, frozen := env.FrozenAt(now)
			got := ""
			if frozen {
				got = until.UTC().Format("2006-01-02 15:04")
			}
			if got != row.until || reason != row.reason {
				t.Errorf("got %q (%s), want %q (%s)", got, reason, row.until, row.reason)
			}
		})
	}
}

func TestFreezesThatMeetAreOne(t *testing.T) {
	a := fine()
	a.facts.Policy.Freeze = []pipeline.Freeze{
		{Cron: "0 11 * * *", For: pipeline.Duration(2 * time.Hour), Reason: "lunch"},
		{Cron: "0 13 * * *", For: pipeline.Duration(2 * time.Hour), Reason: "nap"},
		{Cron: "30 14 * * *", For: pipeline.Duration(time.Hour), Reason: "tea"},
		{Cron: "0 16 * * *", For: pipeline.Duration(time.Hour), Reason: "dinner"},
	}
	for _, g := range pipeline.Gates(a.q, a.facts, noon) {
		if g.Name == pipeline.GateFreeze && g.Sentence != "prod is frozen until Mon 2026-03-02 15:30 UTC (lunch)." {
			t.Error(g.Sentence)
		}
	}
	a.facts.Policy.Freeze = []pipeline.Freeze{{Cron: "0 * * * *", For: pipeline.Duration(2 * time.Hour)}}
	for _, g := range pipeline.Gates(a.q, a.facts, noon) {
		if g.Name == pipeline.GateFreeze && (g.State != pipeline.Waits || !g.Until.After(noon)) {
			t.Errorf("a freeze without an end: %+v", g)
		}
	}
}
