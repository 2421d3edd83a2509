package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What somebody put into the wrong setting is told by the setting's name, and
// never repeated.
func TestNoErrorRepeatsASecret(t *testing.T) {
	key := appKey(t)
	secrets := map[string]string{
		"a private key": key, "a private key in one line": strings.ReplaceAll(key, "\n", `\n`), "a private key in base64": base64.StdEncoding.EncodeToString([]byte(key)),
		"a bot token": "xoxb-17653672481-verysecret", "an app token": "xapp-1-A01-verysecret", "a token of GitHub": "ghs_verysecret16C7e42F292c6912E7", "a token of a person": "github_pat_verysecret",
		"hex": "9f86d081884c7d659a2feaa0c55ad015", "base64": "K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "a long text": strings.Repeat("very secret ", 6),
		"an address with a password": "ftp://bot:hunter2@shipmate.example",
	}
	var empty Config
	names := []string{rolesVariable, appIDVariable, "--config"}
	for name := range empty.texts() {
		if !strings.HasSuffix(name, "_REDIS_URL") { // redisstore has tests of its own
			names = append(names, name)
		}
	}
	for _, name := range names {
		for kind, secret := range secrets {
			env := environ{"SHIPMATE_GITHUB_APP_ID": "1", "SHIPMATE_GITHUB_PRIVATE_KEY": key, "SHIPMATE_GITHUB_WEBHOOK_SECRET": strings.Repeat("s", 32),
				"SHIPMATE_SLACK_BOT_TOKEN": "xoxb-1", "SHIPMATE_SLACK_SIGNING_SECRET": strings.Repeat("s", 32)}
			if name == "SHIPMATE_GITHUB_PRIVATE_KEY_FILE" {
				delete(env, "SHIPMATE_GITHUB_PRIVATE_KEY")
			}
			file := ""
			if name == "--config" {
				file = secret
			} else {
				env[name] = secret
			}
			_, err := loadConfig(file, env)
			if err == nil {
				continue
			}
			if !strings.Contains(err.Error(), name) || leaks(err.Error(), secret) {
				t.Errorf("%s holds %s: %v", name, kind, err)
			}
			if option := strings.TrimSuffix(name, "_FILE"); option != name && !strings.HasPrefix(name, "SHIPMATE_IDENTITIES") && !strings.Contains(err.Error(), "set "+option+" instead") {
				t.Errorf("%s holds %s, no hint: %v", name, kind, err)
			}
		}
	}
}

func leaks(text, secret string) bool {
	for _, form := range []string{secret, secret[:min(len(secret), 20)], "verysecret", "very secret", "hunter2"} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// Each file that cannot be read says why, and not what the setting holds.
func TestAFileOfASecretThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"SHIPMATE_GITHUB_PRIVATE_KEY_FILE", "SHIPMATE_API_TOKEN_FILE", "SHIPMATE_GITHUB_CLIENT_SECRET_FILE", "SHIPMATE_SLACK_CLIENT_SECRET_FILE"} {
		for value, says := range map[string]string{"hunter2": "there is no such file", folder: "it is a folder"} {
			env := environ{name: value}
			if strings.HasPrefix(name, "SHIPMATE_GITHUB_PRIVATE") {
				env[appIDVariable], env["SHIPMATE_GITHUB_WEBHOOK_SECRET"] = "1", strings.Repeat("s", 32)
			}
			_, err := loadConfig("", env)
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), value) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	_, err := (&remote{server: "https://shipmate.example"}).client(func(name string) string { return map[string]string{"SHIPMATE_API_TOKEN_FILE": "hunter2"}[name] })
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "SHIPMATE_API_TOKEN_FILE") {
		t.Errorf("the client says %v", err)
	}
}

// An error in the operator's file says where, and repeats no line of it.
func TestAFileOfSettingsThatIsWrongShowsNoneOfItsText(t *testing.T) {
	const redis = "redis_url: rediss://:hunter2@redis.example\n"
	for name, c := range map[string]struct{ text, says string }{
		"an unknown key":       {redis + "colour: red\n", `:2:1: unknown field "colour"`},
		"an unknown key above": {"colour: red\n" + redis, `:1:1: unknown field "colour"`},
		"no YAML":              {redis + "roles: [worker\n", ":2:"},
		"a text for a number":  {redis + "workers: {steps: hunter2}\n", ":2:"},
		"a number too large":   {redis + "workers: {steps: 99999999999999999999999}\n", ":2:"},
		"a list for a text":    {redis + "data_dir: [hunter2]\n", ":2:"},
		"twice":                {redis + redis, ":2:1"},
		"an alias":             {"redis_url: *hunter2\n", ":"},
		"a block":              {"redis_url: |hunter2\n", ":"},
		"a tag":                {"redis_url: !hunter2 x\ncolour: red\n", ":"},
		"no colon":             {"redis_url rediss://:hunter2@redis.example\n", ":1:"},
		"the key of an App":    {block("RSA PRIVATE KEY", []byte("hunter2hunter2hunter2hunter2hunter2")), ":1:"},
		"a secret as a key":    {"github:\n  rediss://:hunter2@h: x\n", ":2:"},
	} {
		file := filepath.Join(t.TempDir(), "settings.yaml")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadConfig(file, environ{})
		if err == nil || !strings.HasPrefix(err.Error(), file+c.says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "aHVudGVy") || strings.Contains(err.Error(), "9999") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of two settings that lack the bot token the same one is named each time.
func TestTheMissingBotTokenIsToldInOneOrder(t *testing.T) {
	for range 50 {
		_, err := loadConfig("", environ{"SHIPMATE_SLACK_APP_TOKEN": "xapp-1", "SHIPMATE_SLACK_SIGNING_SECRET": strings.Repeat("s", 32)})
		if err == nil || !strings.Contains(err.Error(), "SHIPMATE_SLACK_APP_TOKEN is set") {
			t.Fatal(err)
		}
	}
}
