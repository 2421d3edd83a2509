package e2e

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const goodSecret = "SHIPMATE_GITHUB_WEBHOOK_SECRET=0123456789abcdef0123456789abcdef"

// A setting that is wrong is named, and the bot does not start.
func TestWrongSettings(t *testing.T) {
	gitHub := []string{"SHIPMATE_GITHUB_APP_ID=1", "SHIPMATE_GITHUB_PRIVATE_KEY=-----BEGIN RSA PRIVATE KEY-----"}
	slackOn := []string{"SHIPMATE_SLACK_BOT_TOKEN=xoxb-1"}
	signIn := slices.Concat(gitHub, slackOn, []string{goodSecret, "SHIPMATE_SLACK_SIGNING_SECRET=" + strings.Repeat("x", 32), "SHIPMATE_GITHUB_CLIENT_ID=Iv1", "SHIPMATE_GITHUB_CLIENT_SECRET=x",
		"SHIPMATE_SLACK_CLIENT_ID=1.2", "SHIPMATE_SLACK_CLIENT_SECRET=x"})
	for _, test := range []struct {
		name string
		env  []string
		says string
	}{
		{"an App id that is no number", []string{"SHIPMATE_GITHUB_APP_ID=shipmate"}, "SHIPMATE_GITHUB_APP_ID"},
		{"an App without a key", []string{"SHIPMATE_GITHUB_APP_ID=1", goodSecret}, "SHIPMATE_GITHUB_PRIVATE_KEY"},
		{"a key that is none", []string{"SHIPMATE_GITHUB_APP_ID=1", "SHIPMATE_GITHUB_PRIVATE_KEY=???", goodSecret}, "SHIPMATE_GITHUB_PRIVATE_KEY"},
		{"a key that cannot be decoded", append(gitHub, goodSecret), "PRIVATE_KEY"},
		{"a key file that is not there", []string{"SHIPMATE_GITHUB_APP_ID=1", "SHIPMATE_GITHUB_PRIVATE_KEY_FILE=/no/such/file", goodSecret}, "SHIPMATE_GITHUB_PRIVATE_KEY_FILE"},
		{"a key without an App id", []string{"SHIPMATE_GITHUB_PRIVATE_KEY_FILE=/no/such/file"}, "SHIPMATE_GITHUB_APP_ID is missing"},
		{"a webhook secret without an App id", []string{goodSecret}, "SHIPMATE_GITHUB_APP_ID is missing"},
		{"a signing secret without a bot token", []string{"SHIPMATE_SLACK_SIGNING_SECRET=" + strings.Repeat("x", 32)}, "SHIPMATE_SLACK_BOT_TOKEN is missing"},
		{"a misspelt variable", []string{"SHIPMATE_GITHUB_APPID=1"}, "did you mean SHIPMATE_GITHUB_APP_ID?"},
		{"no webhook secret", gitHub, "SHIPMATE_GITHUB_WEBHOOK_SECRET"},
		{"a webhook secret of blanks", append(gitHub, "SHIPMATE_GITHUB_WEBHOOK_SECRET="+strings.Repeat(" ", 40)), "SHIPMATE_GITHUB_WEBHOOK_SECRET"},
		{"a webhook secret of 31 characters", append(gitHub, "SHIPMATE_GITHUB_WEBHOOK_SECRET="+strings.Repeat("x", 31)), "SHIPMATE_GITHUB_WEBHOOK_SECRET"},
		{"a short previous secret", append(gitHub, goodSecret, "SHIPMATE_GITHUB_WEBHOOK_SECRET_PREVIOUS=short"), "SHIPMATE_GITHUB_WEBHOOK_SECRET_PREVIOUS"},
		{"a bad API address of GitHub", append(gitHub, goodSecret, "SHIPMATE_GITHUB_API_URL=github.example"), "SHIPMATE_GITHUB_API_URL"},
		{"no signing secret", slackOn, "SHIPMATE_SLACK_SIGNING_SECRET"},
		{"a short signing secret", append(slackOn, "SHIPMATE_SLACK_SIGNING_SECRET=short"), "SHIPMATE_SLACK_SIGNING_SECRET"},
		{"a bad API address of Slack", append(slackOn, "SHIPMATE_SLACK_SIGNING_SECRET="+strings.Repeat("x", 32), "SHIPMATE_SLACK_API_URL=ftp://x/"), "SHIPMATE_SLACK_API_URL"},
		{"a role that is none", []string{"SHIPMATE_ROLES=ingest,wroker"}, `did you mean "worker"`},
		{"a durability that is none", []string{"SHIPMATE_DURABILITY=some"}, "SHIPMATE_DURABILITY"},
		{"a runner that is none", []string{"SHIPMATE_RUNNER=docker"}, "SHIPMATE_RUNNER"},
		{"Jobs in no cluster", []string{"SHIPMATE_RUNNER=kubernetes"}, "kubernetes.jobs.cluster"},
		{"a log level that is none", []string{"SHIPMATE_LOG_LEVEL=loud"}, "SHIPMATE_LOG_LEVEL"},
		{"a log format that is none", []string{"SHIPMATE_LOG_FORMAT=xml"}, "SHIPMATE_LOG_FORMAT"},
		{"a public address that is none", []string{"SHIPMATE_BASE_URL=shipmate"}, "SHIPMATE_BASE_URL"},
		{"people in a file that is not there", []string{"SHIPMATE_IDENTITIES_FILE=/no/such/file"}, "SHIPMATE_IDENTITIES_FILE"},
		{"a Redis address that is none", []string{"SHIPMATE_REDIS_URL=http://localhost"}, "SHIPMATE_REDIS_URL"},
		{"a Redis elsewhere without a password", []string{"SHIPMATE_REDIS_URL=redis://redis.example:6379"}, "SHIPMATE_REDIS_URL"},
		{"an API token of 31 characters", []string{"SHIPMATE_API_TOKEN= " + strings.Repeat("x", 31) + " "}, "SHIPMATE_API_TOKEN"},
		{"an API token in a file that is not there", []string{"SHIPMATE_API_TOKEN_FILE=/no/such/file"}, "SHIPMATE_API_TOKEN_FILE"},
		{"an API token in an empty file", []string{"SHIPMATE_API_TOKEN_FILE=/dev/null"}, "SHIPMATE_API_TOKEN_FILE"},
		{"an API token for a login", []string{"SHIPMATE_API_TOKEN=" + strings.Repeat("x", 32), "SHIPMATE_API_ACTOR=octocat"}, "SHIPMATE_API_ACTOR"},
		{"an API token for user zero", []string{"SHIPMATE_API_TOKEN=" + strings.Repeat("x", 32), "SHIPMATE_API_ACTOR=0:octocat"}, "SHIPMATE_API_ACTOR"},
		{"people who sign in where others can listen", append(signIn, "SHIPMATE_BASE_URL=http://shipmate.example"), "SHIPMATE_BASE_URL"},
		{"a client secret in a file that is not there", []string{"SHIPMATE_SLACK_CLIENT_SECRET_FILE=/no/such/file"}, "SHIPMATE_SLACK_CLIENT_SECRET_FILE"},
		{"a client secret in an empty file", []string{"SHIPMATE_GITHUB_CLIENT_SECRET_FILE=/dev/null"}, "SHIPMATE_GITHUB_CLIENT_SECRET_FILE"},
		{"an address that is none", []string{"SHIPMATE_ADDR=nowhere"}, "SHIPMATE_ADDR"},
		{"a metrics address that is none", []string{"SHIPMATE_METRICS_ADDR=nowhere"}, "SHIPMATE_METRICS_ADDR"},
		{"a data folder that cannot be", []string{"SHIPMATE_DATA_DIR=/dev/null/shipmate"}, "SHIPMATE_DATA_DIR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary, "serve", "--durability=relaxed")
			cmd.Dir = t.TempDir()
			cmd.Env = append([]string{"HOME=" + cmd.Dir, "SHIPMATE_ADDR=127.0.0.1:0", "SHIPMATE_METRICS_ADDR=127.0.0.1:0", "SHIPMATE_DATA_DIR=" + filepath.Join(cmd.Dir, "data")}, test.env...)
			if strings.HasPrefix(test.env[0], "SHIPMATE_DURABILITY") {
				cmd.Args = cmd.Args[:2]
			}
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Errorf("ended with %v, want exit code 2\n%s", err, out)
			}
			if !strings.Contains(string(out), test.says) {
				t.Errorf("does not name %s:\n%s", test.says, out)
			}
			if strings.Contains(string(out), "shipmate is ready") {
				t.Errorf("started:\n%s", out)
			}
		})
	}
}
