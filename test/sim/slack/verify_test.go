package slack_test

import (
	"bytes"
	"io"
	"net/http"

	slackgo "github.com/slack-go/slack"
)

// verified checks a request with slack-go's verifier and gives its body, which can
// still be read from the request.
func verified(r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	v, err := slackgo.NewSecretsVerifier(r.Header, secret)
	if err != nil {
		return nil, false
	}
	_, _ = v.Write(body)
	return body, v.Ensure() == nil
}
