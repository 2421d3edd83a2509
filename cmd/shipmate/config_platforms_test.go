package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func block(kind string, bytes []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
}

// appKey is a private key as GitHub gives it to an App.
func appKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

// A private key is taken in each form that GitHub and its users write it in. What
// is none says why, and never itself.
func TestPrivateKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(k any) []byte {
		b, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	file := filepath.Join(t.TempDir(), "app.pem")
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	encrypted := strings.Replace(good, "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1)
	for name, c := range map[string]struct{ text, says string }{
		"as GitHub gives it":      {good, ""},
		"PKCS 8":                  {block("PRIVATE KEY", pkcs8(key)), ""},
		"base64":                  {base64.StdEncoding.EncodeToString([]byte(good)), ""},
		"base64 on several lines": {base64.StdEncoding.EncodeToString([]byte(good[:600])) + "\n" + base64.StdEncoding.EncodeToString([]byte(good[600:])), ""},
		"in one line":             {strings.ReplaceAll(good, "\n", `\n`), ""},
		"line breaks lost":        {strings.ReplaceAll(good, "\n", " "), "line breaks are lost"},
		"cut short":               {good[:300], "cut short"},
		"a name of a file":        {file, "SHIPMATE_GITHUB_PRIVATE_KEY_FILE"},
		"nonsense":                {"???", "neither PEM nor base64"},
		"base64 of nonsense":      {"aGVsbG8=", "neither PEM nor base64"},
		"encrypted":               {encrypted, "openssl rsa"},
		"encrypted PKCS 8":        {block("ENCRYPTED PRIVATE KEY", []byte("x")), "openssl rsa"},
		"a public key":            {block("PUBLIC KEY", []byte("x")), "is a public key"},
		"an RSA public key":       {block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), "is a public key"},
		"a certificate":           {block("CERTIFICATE", []byte("x")), "is a certificate"},
		"a key of ssh":            {block("OPENSSH PRIVATE KEY", []byte("x")), "OPENSSH"},
		"a key on a curve":        {block("PRIVATE KEY", pkcs8(curve)), "no RSA key"},
		"broken inside":           {block("RSA PRIVATE KEY", []byte("x")), "no RSA key"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := loadConfig("", environ{"SHIPMATE_GITHUB_APP_ID": "1", "SHIPMATE_GITHUB_PRIVATE_KEY": c.text, "SHIPMATE_GITHUB_WEBHOOK_SECRET": strings.Repeat("s", 32)})
			switch {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says == "" && keyProblem([]byte(cfg.GitHub.PrivateKey.Reveal())) != "":
				t.Error("the key was not made PEM")
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "SHIPMATE_GITHUB_PRIVATE_KEY")):
				t.Errorf("says %v, want %q", err, c.says)
			case c.says != "" && c.text != file && len(c.text) > 8 && strings.Contains(err.Error(), c.text[:8]):
				t.Errorf("shows the key: %v", err)
			}
		})
	}
}

// A token in the wrong variable is known by its first letters, before Slack is asked.
func TestTokensInTheWrongVariable(t *testing.T) {
	for name, c := range map[string]struct {
		env  environ
		says []string
	}{
		"an app token as bot token": {environ{"SHIPMATE_SLACK_BOT_TOKEN": "xapp-1-verysecret"}, []string{"SHIPMATE_SLACK_BOT_TOKEN", "xapp-", "SHIPMATE_SLACK_APP_TOKEN"}},
		"a person's token":          {environ{"SHIPMATE_SLACK_BOT_TOKEN": "xoxp-1-verysecret"}, []string{"SHIPMATE_SLACK_BOT_TOKEN", "xoxp-", "token of a person"}},
		"a token that rotates":      {environ{"SHIPMATE_SLACK_BOT_TOKEN": "xoxe.xoxb-1-verysecret"}, []string{"token rotation"}},
		"no token":                  {environ{"SHIPMATE_SLACK_BOT_TOKEN": "verysecret"}, []string{"does not begin with xoxb-"}},
		"a bot token as app token":  {environ{"SHIPMATE_SLACK_BOT_TOKEN": "xoxb-1", "SHIPMATE_SLACK_APP_TOKEN": "xoxb-verysecret"}, []string{"SHIPMATE_SLACK_APP_TOKEN", "SHIPMATE_SLACK_BOT_TOKEN"}},
		"an app token alone":        {environ{"SHIPMATE_SLACK_APP_TOKEN": "xapp-1-verysecret"}, []string{"SHIPMATE_SLACK_BOT_TOKEN is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.env["SHIPMATE_SLACK_SIGNING_SECRET"] = strings.Repeat("x", 32)
			_, err := loadConfig("", c.env)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("does not say %q: %v", says, err)
				}
			}
			if strings.Contains(err.Error(), "verysecret") {
				t.Errorf("shows the token: %v", err)
			}
		})
	}
}

// A variable that nobody reads is refused with the nearest right name, or only
// mentioned if it is like none. What Kubernetes and steps set is neither.
func TestUnknownVariables(t *testing.T) {
	for name, near := range map[string]string{
		"SHIPMATE_GITHUB_APPID": "SHIPMATE_GITHUB_APP_ID", "SHIPMATE_GITHUB_WEBHOOK_SECRT": "SHIPMATE_GITHUB_WEBHOOK_SECRET", "SHIPMATE_ROLE": "SHIPMATE_ROLES",
		"SHIPMATE_APP_ID": "SHIPMATE_GITHUB_APP_ID", "SHIPMATE_WEBHOOK_SECRET": "SHIPMATE_GITHUB_WEBHOOK_SECRET", "SHIPMATE_SLACK_TOKEN": "SHIPMATE_SLACK_BOT_TOKEN",
		"SHIPMATE_REDIS": "SHIPMATE_REDIS_URL", "SHIPMATE_LOGLEVEL": "SHIPMATE_LOG_LEVEL", "SHIPMATE_Addr": "SHIPMATE_ADDR",
	} {
		_, err := loadConfig("", environ{name: "value-of-it"})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), near) || strings.Contains(err.Error(), "value-of-it") {
			t.Errorf("%s: %v, want %s", name, err, near)
		}
	}
	cfg, err := loadConfig("", environ{
		"SHIPMATE_FAVOURITE_COLOUR": "red", "PATH": "/bin", "SHIPMATE_SECRET_DB": "x", "SHIPMATE_RUN": "r-1", "SHIPMATE_PARAM_N": "1", "SHIPMATE_URL": "https://x",
		"SHIPMATE_SERVICE_HOST": "10.0.0.1", "SHIPMATE_SERVICE_PORT": "80", "SHIPMATE_SERVICE_PORT_HTTP": "80", "SHIPMATE_PORT": "tcp://10.0.0.1:80",
		"SHIPMATE_PORT_80_TCP": "tcp://10.0.0.1:80", "SHIPMATE_PORT_80_TCP_ADDR": "10.0.0.1", "SHIPMATE_REDIS_SERVICE_HOST": "10.0.0.2", "SHIPMATE_REDIS_PORT": "tcp://10.0.0.2:6379",
	})
	if err != nil || len(cfg.strange) != 1 || cfg.strange[0] != "SHIPMATE_FAVOURITE_COLOUR" {
		t.Errorf("%v, strange: %v", err, cfg.strange)
	}
}
