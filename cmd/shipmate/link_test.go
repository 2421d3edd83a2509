package main

import "testing"

func TestWhereGitHubSignsPeopleIn(t *testing.T) {
	for api, want := range map[string]string{
		"https://api.github.com":             "https://github.com/login/oauth",
		"https://api.github.com/":            "https://github.com/login/oauth",
		"https://api.octo.ghe.com":           "https://octo.ghe.com/login/oauth",
		"https://git.example/api/v3":         "https://git.example/login/oauth",
		"https://api.git.example/api/v3/":    "https://api.git.example/login/oauth",
		"https://api.github.com.evil/api/v3": "https://api.github.com.evil/login/oauth",
		"http://127.0.0.1:4000/api/v3":       "http://127.0.0.1:4000/login/oauth",
	} {
		if got := oauthBase(api); got != want {
			t.Errorf("%s: %s, want %s", api, got, want)
		}
	}
}

func TestWhoMaySignInWhere(t *testing.T) {
	key := appKey(t)
	for base, ok := range map[string]bool{
		"https://shipmate.example": true, "http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true,
		"http://shipmate.example": false, "http://10.0.0.1": false, "http://localhost.example": false, "http://127.0.0.1.example": false,
	} {
		env := map[string]string{"SHIPMATE_BASE_URL": base, "SHIPMATE_GITHUB_APP_ID": "1", "SHIPMATE_GITHUB_PRIVATE_KEY": key, "SHIPMATE_GITHUB_WEBHOOK_SECRET": "0123456789abcdef0123456789abcdef",
			"SHIPMATE_SLACK_BOT_TOKEN": "xoxb-1", "SHIPMATE_SLACK_SIGNING_SECRET": "0123456789abcdef0123456789abcdef", "SHIPMATE_GITHUB_CLIENT_ID": "Iv1", "SHIPMATE_GITHUB_CLIENT_SECRET": "x",
			"SHIPMATE_SLACK_CLIENT_ID": "1.2", "SHIPMATE_SLACK_CLIENT_SECRET": "x"}
		_, err := loadConfig("", env)
		if (err == nil) != ok {
			t.Errorf("%s: %v", base, err)
		}
	}
}
