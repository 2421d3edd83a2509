package gitsource

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// credentials is the configuration that carries the token, for the environment
// of one git process: neither argv nor a file ever holds it. hidden are the
// forms in which it could turn up in what git prints.
func (g *Git) credentials(ctx context.Context, repo pipeline.Repo, from string) (config [][2]string, hidden []string, err error) {
	if g.Token == nil || strings.HasPrefix(from, "file:") {
		return nil, nil, nil
	}
	token, err := g.Token(ctx, repo)
	if code := pipeline.Code(err); err != nil && !pipeline.IsTemporary(err) && (code == "" || code == noAccessCode) {
		err = pipeline.Lagging(err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("token for %s: %w", repo, err)
	}
	value := token.Reveal() // into the environment of git
	if value == "" {
		return nil, nil, nil
	}
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + value))
	return [][2]string{{"http." + from + ".extraHeader", "Authorization: Basic " + basic}}, []string{basic, value}, nil
}

const noAccessCode = "no_access"

func redact(out string, hidden []string) string {
	for _, s := range hidden {
		out = strings.ReplaceAll(out, s, "[secret]")
	}
	return strings.TrimSpace(out)
}

// Phrases in which git, its transport and GitHub say what went wrong.
var (
	notFound = []string{"not our ref", "couldn't find remote ref", "no such remote ref", "not valid: unadvertised object"}
	noAccess = []string{"could not read Username", "Authentication failed", "returned error: 401", "returned error: 403", "returned error: 404", "Repository not found", "/' not found", "does not appear to be a git repository"}
	moved    = []string{"unable to update url base from redirection", "returned error: 301", "returned error: 302", "returned error: 307", "returned error: 308"}
	network  = []string{"Could not resolve", "Failed to connect", "Couldn't connect", "timed out", "imeout", "Connection re", "returned error: 5", "returned error: 429", "early EOF", "RPC failed", "hung up", "SSL", "TLS", "GnuTLS", "gnutls", "Empty reply", "too slow", "Less than 1000 bytes/sec"}
)

// explain turns what git printed into a sentence, and tells what may go away by itself.
func explain(repo pipeline.Repo, sha string, timeout, err error) error {
	says := func(phrases []string) bool {
		for _, p := range phrases {
			if strings.Contains(err.Error(), p) {
				return true
			}
		}
		return false
	}
	fail := func(code, format string, args ...any) *pipeline.Error {
		e := pipeline.Refuse(code, format, args...)
		e.Err = err
		return e
	}
	switch {
	case timeout != nil:
		return pipeline.Temporary(fail("fetch_timeout", "Fetching commit %s of %s took too long. It is tried again.", sha[:7], repo))
	case says(notFound):
		return pipeline.Lagging(fail("commit_not_found", "Commit %s does not exist in %s. If its branch was force-pushed, ask again with the new commit.", sha[:7], repo))
	case says(moved):
		return fail("repository_moved", "%s has moved or was renamed. Ask again under its new name.", repo)
	case says(noAccess):
		return pipeline.Lagging(fail(noAccessCode, "shipmate may not read %s. Check that its GitHub App is installed there and may read contents.", repo))
	case says(network):
		return pipeline.Temporary(fail("fetch_failed", "Fetching commit %s of %s did not work, the network or GitHub is in trouble. It is tried again.", sha[:7], repo))
	}
	return fail("fetch_failed", "Commit %s of %s could not be fetched. The operator finds the cause in the log.", sha[:7], repo)
}
