package env

import (
	"context"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestOnlyPrefixedVariablesAreSecrets(t *testing.T) {
	vars := map[string]string{"SHIPMATE_SECRET_DB": "s3cret-value", "PATH": "/bin", "SHIPMATE_SECRET_EMPTY": ""}
	store := Store{func(n string) (string, bool) { v, ok := vars[n]; return v, ok }}
	for ref, want := range map[string]string{"DB": "", "PATH": "no_secret", "EMPTY": "no_secret", "../DB": "bad_secret", "": "bad_secret"} {
		got, err := store.Secret(context.Background(), ref)
		if pipeline.Code(err) != want {
			t.Errorf("env:%s: code %q, want %q", ref, pipeline.Code(err), want)
		}
		if want == "" && got.Reveal() != "s3cret-value" {
			t.Errorf("env:%s: wrong value", ref)
		}
	}
}
