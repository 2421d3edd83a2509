package commands

import (
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// others are words that other bots on GitHub obey. They are left alone, however
// near they are to one of ours.
var others = strings.Fields(strings.Join([]string{
	// Prow: prow.k8s.io/command-help
	`approve assign auto-cc area bug-review cc check-cla check-dco cherry-pick cherrypick close committee easycla fixes good-first-issue
	 help-wanted hold honk joke kind label lgtm lifecycle meow milestone ok-to-test override pipeline pony priority project
	 reassign refresh release-note release-note-none remove-approve remove-area remove-help remove-hold remove-kind remove-label remove-lgtm
	 remove-lifecycle remove-priority remove-sig remove-triage remove-wg reopen rerun retest retest-required retitle review shrug sig skip
	 status test tide transfer transfer-issue triage unassign uncc unhold unlgtm unshrug verified wg wip woof`,
	// Pipelines-as-Code: pipelinesascode.com/docs/guides/gitops-commands
	`cancel ok-to-test retest test`,
	// Atlantis: runatlantis.io/docs/using-atlantis
	`apply atlantis import plan policies state unlock version`,
	// branch-deploy: github.com/github/branch-deploy, docs/usage.md
	`deploy help lock noop ping unlock wcid`,
	// Dependabot, Renovate, Mergify, Kodiak, bors, Homu: their own lists of comment commands
	`backport bors copy dequeue dependabot delegate ignore kodiak merge mergify pause queue rebase recreate renovate refresh requeue resume
	 retry squash try unignore unpause unqueue unsquash update`,
	// GitLab: docs.gitlab.com/user/project/quick_actions
	`add_child add_contacts add_email add_parent assign assign_reviewer award blocked_by blocks board_move cc child_epic clear_health_status
	 clear_weight clone close confidential convert_to_ticket copy_metadata create_merge_request done draft due duplicate epic estimate
	 estimate_time health_status iteration label linked_to lock mark merge milestone move page parent_epic promote promote_to
	 promote_to_incident publish react ready reassign reassign_reviewer rebase relabel relate remove_child remove_child_epic remove_contacts
	 remove_due_date remove_email remove_epic remove_estimate remove_iteration remove_milestone remove_parent remove_parent_epic
	 remove_time_spent remove_zoom reopen request_changes request_review severity shrug spend spend_time spent status submit_review subscribe
	 tableflip tag target_branch timeline title todo type unapprove unassign unassign_reviewer unlabel unlink unlock unrelate unsubscribe
	 weight zoom`,
	// Jenkins, Zuul, Azure Pipelines, Buildkite, OpenShift and others: words of build triggers
	`azp build check gate payload payload-job pj-rehearse recheck rehearse rerun-all run test-all trigger verify`,
	// PR-Agent and other reviewers: docs of qodo-merge, CodeRabbit, Gemini
	`add_docs analyze ask compliance describe fix gemini generate_labels help_docs implement improve reflect review scan_repo_discussions
	 similar_issue summary update_changelog`,
	// Tools and words of builds that are one letter off one of ours
	`blocks clock clocks employ flock heap hello helm lint lints list lodge log login logout look rollout state states stats`,
	// Words of lock, stale and triage bots
	`archive block blocked close duplicate locked needs-info pin snooze stale unarchive unblock unpin unsnooze`,
}, " "))

func isOthers(word string) bool { return slices.Contains(others, word) }

// Others reports whether a line with a verb of ours is meant for another bot, by
// its words: Prow's "/approve no-issue" and "/approve cancel", and its override
// of a check by name, where ours names a run and a gate.
func Others(line string) bool {
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(strings.ToLower(line))
	if len(words) < 2 {
		return false
	}
	switch words[0] {
	case "/approve":
		return words[1] == "no-issue" || words[1] == "cancel"
	case "/override":
		ours := strings.HasPrefix(words[1], "r-") || slices.ContainsFunc(words, func(w string) bool {
			return strings.HasPrefix(w, "-") || strings.HasPrefix(w, "—") || slices.Contains(pipeline.Overridable(), w)
		})
		return !ours
	}
	return false
}
