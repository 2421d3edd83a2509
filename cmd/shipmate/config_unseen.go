package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// misplaced refuses keys and tokens in settings that hold none, before anything
// else says what they hold.
func (c *Config) misplaced() error {
	texts := c.texts()
	delete(texts, "SHIPMATE_REDIS_URL") // it holds a password
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !pipeline.IsSecret(*texts[name]) {
			continue
		}
		errs = append(errs, fmt.Errorf("%s holds a key or a token, which does not belong there.%s", name, instead(name)))
	}
	return errors.Join(errs...)
}

// instead is the setting for a secret itself that the setting for its file holds.
func instead(setting string) string {
	name, isFile := strings.CutSuffix(setting, "_FILE")
	if !isFile || setting == "SHIPMATE_IDENTITIES_FILE" {
		return ""
	}
	return " Does it hold the secret itself? Then set " + name + " instead"
}

// readSecret reads the file of a secret. Its name is never said: it may be the
// secret.
func readSecret(setting, file string) (pipeline.Secret, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return pipeline.Secret{}, fmt.Errorf("%s: %w.%s", setting, pipeline.FileError(err), instead(setting))
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return pipeline.Secret{}, fmt.Errorf("%s: the file is empty", setting)
	}
	return pipeline.NewSecret(secret), nil
}

// where adds what a listener or a folder says is wrong with its setting, unless
// the value, which is part of it, may be a secret.
func where(setting, value string, err error) error {
	if shown := pipeline.QuoteSetting(value); !strings.HasPrefix(shown, `"`) {
		return fmt.Errorf("%s: %s cannot be used", setting, shown)
	}
	return fmt.Errorf("%s: %w", setting, err)
}
