package pipeline

import "time"

// AuditEntry is one line of the audit log: what was said or decided, by whom,
// and what came of it. Seq, Prev and Hash chain it to the line before.
type AuditEntry struct {
	Seq         int64     `json:"seq"` // from 1, without a gap
	At          time.Time `json:"at"`
	Kind        string    `json:"kind"` // command, refused, run, approval, cancel, plan, later, config, started, identity
	Repo        string    `json:"repo,omitempty"`
	RepoID      int64     `json:"repo_id,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Run         RunID     `json:"run,omitempty"`
	SHA         string    `json:"sha,omitempty"`
	Actor       string    `json:"actor,omitempty"` // login
	ActorID     int64     `json:"actor_id,omitempty"`
	SlackTeam   string    `json:"slack_team,omitempty"`
	SlackUser   string    `json:"slack_user,omitempty"`
	Via         string    `json:"via,omitempty"`  // surface
	Text        string    `json:"text,omitempty"` // what was said, or what happened
	Code        string    `json:"code,omitempty"` // reason code or state
	Prev        string    `json:"prev"`           // Hash of the entry before; "" of the first
	Hash        string    `json:"hash"`
}
