// Package env is the secret store "env:": variables of the bot itself whose
// names begin with SHIPMATE_SECRET_, and no others.
package env

import (
	"context"
	"regexp"

	"github.com/shipmate/shipmate/pipeline"
)

const prefix = "SHIPMATE_SECRET_"

var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Store reads variables.
type Store struct {
	Lookup func(name string) (string, bool) // os.LookupEnv
}

// Integration returns what the package brings.
func Integration(lookup func(string) (string, bool)) pipeline.Integration {
	return pipeline.Integration{Name: "env", Secrets: map[string]pipeline.SecretStore{"env": Store{lookup}}}
}

// Secret returns the value of SHIPMATE_SECRET_<ref>.
func (s Store) Secret(_ context.Context, ref string) (pipeline.Secret, error) {
	if !name.MatchString(ref) {
		return pipeline.Secret{}, pipeline.Refuse("bad_secret", "The reference env:%s is not the name of a variable.", ref)
	}
	value, ok := s.Lookup(prefix + ref)
	if !ok || value == "" {
		return pipeline.Secret{}, pipeline.Refuse("no_secret", "The secret env:%s is not there. The operator sets it as %s%s.", ref, prefix, ref)
	}
	return pipeline.NewSecret(value), nil
}
