package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"testing"
	"time"
)

// The example of docs.slack.dev/authentication/verifying-requests-from-slack.
const (
	docSecret    = "8f742231b10e8888abcd99yyyzzz85a5"
	docTimestamp = "1531420618"
	docBody      = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	docSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
)

func TestSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		secrets   []string
		signature string
		timestamp string
		body      string
		want      bool
	}{
		"the example of the documentation":       {[]string{docSecret}, docSignature, docTimestamp, docBody, true},
		"with the previous secret":               {[]string{"new", docSecret}, docSignature, docTimestamp, docBody, true},
		"another secret":                         {[]string{"other"}, docSignature, docTimestamp, docBody, false},
		"no secret":                              {nil, docSignature, docTimestamp, docBody, false},
		"an empty secret never verifies":         {[]string{"", "  "}, "v0=" + hmacHex("", "1", "{}"), "1", "{}", false},
		"another body":                           {[]string{docSecret}, docSignature, docTimestamp, docBody + "x", false},
		"another time":                           {[]string{docSecret}, docSignature, "1531420619", docBody, false},
		"another version":                        {[]string{docSecret}, "v1" + docSignature[2:], docTimestamp, docBody, false},
		"a signature that is cut":                {[]string{docSecret}, docSignature[:40], docTimestamp, docBody, false},
		"a signature that is not hexadecimal":    {[]string{docSecret}, "v0=zz", docTimestamp, docBody, false},
		"a signature with something after it":    {[]string{docSecret}, docSignature + "00", docTimestamp, docBody, false},
		"no signature":                           {[]string{docSecret}, "", docTimestamp, docBody, false},
		"a secret with a newline at its end":     {[]string{docSecret + "\n"}, docSignature, docTimestamp, docBody, true},
		"upper case hexadecimal is the same sum": {[]string{docSecret}, "v0=A2114D57B48EAC39B9AD189DD8316235A7B4A8D21A10BD27519666489C69B503", docTimestamp, docBody, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newVerifier(c.secrets, time.Now).signed(c.signature, c.timestamp, []byte(c.body)); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestTimestamps(t *testing.T) {
	const now = 1531420618
	v := newVerifier([]string{docSecret}, func() time.Time { return time.Unix(now, 0) })
	for ts, want := range map[string]bool{
		strconv.Itoa(now): true, strconv.Itoa(now - 300): true, strconv.Itoa(now + 300): true,
		strconv.Itoa(now - 301): false, strconv.Itoa(now + 301): false,
		"": false, "abc": false, "-1": false, "9223372036854775808": false, "9223372036854775807": false, "+1531420618": false, " 1531420618": false, "1531420618.0": false, "0": false,
	} {
		if _, got := v.fresh(ts); got != want {
			t.Errorf("%q: got %v, want %v", ts, got, want)
		}
	}
}

func hmacHex(secret, timestamp, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + timestamp + ":" + body))
	return hex.EncodeToString(mac.Sum(nil))
}
