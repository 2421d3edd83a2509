package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// signatureWindow is how far the time in a request may be from ours, both ways
// (docs.slack.dev/authentication/verifying-requests-from-slack).
const signatureWindow = 300

// verifier checks the v0 signatures of Slack. Empty secrets never verify.
type verifier struct {
	secrets [][]byte
	now     func() time.Time
}

func newVerifier(secrets []string, now func() time.Time) verifier {
	v := verifier{now: now}
	for _, s := range secrets {
		if s = strings.TrimSpace(s); s != "" {
			v.secrets = append(v.secrets, []byte(s))
		}
	}
	return v
}

// fresh reads the time a request says it was made, and whether that is near enough.
func (v verifier) fresh(timestamp string) (time.Time, bool) {
	if timestamp == "" || strings.Trim(timestamp, "0123456789") != "" {
		return time.Time{}, false
	}
	ts, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	now := v.now().Unix()
	return time.Unix(ts, 0), ts >= now-signatureWindow && ts <= now+signatureWindow
}

// signed reports whether one of our secrets made the signature.
func (v verifier) signed(signature, timestamp string, body []byte) bool {
	encoded, ok := strings.CutPrefix(signature, "v0=")
	got, err := hex.DecodeString(encoded)
	if !ok || err != nil || len(got) != sha256.Size {
		return false
	}
	matched := false
	for _, secret := range v.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte("v0:" + timestamp + ":"))
		mac.Write(body)
		matched = hmac.Equal(mac.Sum(nil), got) || matched
	}
	return matched
}
