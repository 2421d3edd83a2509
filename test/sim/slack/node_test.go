package slack_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/needs"
	"github.com/shipmate/shipmate/test/sim/slack"
)

const webAPI = "@slack/web-api@8.2.0"

// TestSlacksOwnClient has the Node client that Slack maintains talk to the simulator,
// as a second opinion besides slack-go.
func TestSlacksOwnClient(t *testing.T) {
	modules := nodeModules(t)
	c := newClock()
	s, _ := start(t, slack.Config{Now: c.Now}) // a clock that stands, so that the burst is one
	script, err := filepath.Abs("testdata/webapi.mjs")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "node", script, modules, s.APIURL(), "xoxb-test").Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	const want = `auth.test T0SIM
chat.postMessage Deploying
thread true
chat.update Deployed
reactions.add true
conversations.replies 2
users.info mona
paginate shipmate,mona,hubot
invalid_blocks invalid_blocks [ERROR] must define either ` + "`text` or `fields`" + ` [json-pointer:/blocks/0]
channel_not_found channel_not_found 
views.open invalid_trigger_id 
burst true
burst slack_webapi_rate_limited_error 
burst slack_webapi_rate_limited_error 
`
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// nodeModules gives a folder with the client installed, once per machine and version.
func nodeModules(t *testing.T) string {
	t.Helper()
	needs.On(t, needs.Node())
	cache, err := os.UserCacheDir()
	if err != nil {
		needs.Skip(t, err)
	}
	dir := filepath.Join(cache, "shipmate", "npm", strings.NewReplacer("@", "", "/", "-").Replace(webAPI))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		needs.Skip(t, err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "fresh-")
	if err != nil {
		needs.Skip(t, err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", webAPI)
	if out, err := npm.CombinedOutput(); err != nil {
		_ = os.RemoveAll(fresh)
		needs.Skip(t, fmt.Errorf("npm install %s, which takes a network the first time: %w\n%s", webAPI, err, out))
	}
	if err := os.Rename(fresh, dir); err != nil { // another test was faster
		_ = os.RemoveAll(fresh)
	}
	return dir
}
