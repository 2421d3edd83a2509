package github

import "testing"

func TestWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status  int
		message string
		want    ruling
		code    string
	}{
		{502, "", transient, ""},
		{401, "Bad credentials", transient, ""},
		{0, "", transient, ""},
		{408, "", transient, ""},
		{429, "Too Many Requests", transient, ""},
		{403, "You have exceeded a secondary rate limit", transient, ""},
		{403, "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.", transient, ""},
		{422, "Validation Failed was submitted too quickly", transient, ""},
		{403, "was submitted too quickly", transient, ""},
		{422, "Server Error: Sorry, this diff is temporarily unavailable due to heavy server load.", transient, ""},
		{404, "Not Found", absent, ""},
		{410, "Issues are disabled for this repo", absent, ""},
		{409, "Git Repository is empty.", absent, ""},
		{422, "No commit found for SHA: 5a", absent, ""},
		{422, "No ref found for: nope", absent, ""},
		{403, "This installation has been suspended", refused, "app_suspended"},
		{403, "Unable to create comment because issue is locked.", refused, "conversation_locked"},
		{403, "Repository was archived so is read-only.", refused, "repository_archived"},
		{451, "Repository access blocked", refused, "repository_blocked"},
		{451, "", refused, "repository_blocked"},
		{403, "Repository access blocked", refused, "repository_blocked"},
		{403, "Although you appear to have the correct authorization credentials, the `octo` organization has an IP allow list enabled", refused, "ip_not_allowed"},
		{403, "Resource protected by organization SAML enforcement.", refused, "github_refused"},
		{403, "Resource not accessible by integration", refused, "no_access"},
		{422, "The permissions requested are not granted to this installation.", refused, "no_access"},
		{422, "There is at least one repository that does not exist or is not accessible to the parent installation.", refused, "no_access"},
		{422, "Validation Failed This SHA and context has reached the maximum number of statuses.", refused, "status_limit"},
		{422, "something new", refused, "github_refused"},
	} {
		if m, code := judge(c.status, c.message); m != c.want || code != c.code {
			names := map[ruling]string{transient: "transient", absent: "absent", refused: "refused"}
			t.Errorf("%d %q means %s %q, want %s %q", c.status, c.message, names[m], code, names[c.want], c.code)
		}
	}
}
