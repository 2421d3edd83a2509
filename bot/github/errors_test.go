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
		{403, "You have exceeded a secondary rate limit", transient, ""},
		{404, "Not Found", absent, ""},
		{422, "No commit found for SHA: 5a", absent, ""},
		{403, "This installation has been suspended", refused, "app_suspended"},
		{403, "Unable to create comment because issue is locked.", refused, "conversation_locked"},
		{403, "Repository was archived so is read-only.", refused, "repository_archived"},
		{451, "Repository access blocked", refused, "repository_blocked"},
		{403, "Resource not accessible by integration", refused, "no_access"},
		{422, "Validation Failed This SHA and context has reached the maximum number of statuses.", refused, "status_limit"},
		{422, "something new", refused, "github_refused"},
	} {
		if m, code := judge(c.status, c.message); m != c.want || code != c.code {
			t.Errorf("%d %q means %d, %q", c.status, c.message, m, code)
		}
	}
}
