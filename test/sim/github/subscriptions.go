package github

import "fmt"

// mayHear refuses events that the settings page would not offer, because the
// permission for them is missing (docs.github.com, "Webhook events and payloads").
func mayHear(permissions map[string]string, events []string) error {
	needs := map[string]string{
		"check_run": "checks", "check_suite": "checks", "deployment": "deployments", "deployment_status": "deployments",
		"issue_comment": "issues", "merge_group": "merge_queues", "pull_request": "pull_requests", "pull_request_review": "pull_requests",
		"pull_request_review_comment": "pull_requests", "push": "contents", "repository": "metadata", "status": "statuses",
	}
	for _, event := range events {
		if need, known := needs[event]; known && levelOf(permissions[need]) < levelOf("read") {
			return fmt.Errorf("the App cannot subscribe to %s without the permission %s", event, need)
		}
	}
	return nil
}
