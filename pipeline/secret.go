package pipeline

import (
	"context"
	"encoding/json"
	"log/slog"
)

// Secret is a value that never shows itself: printed, formatted, logged or
// marshalled it is "[secret]". Only Reveal gives it away.
type Secret struct{ value string }

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value. Every call is a place to look at twice.
func (s Secret) Reveal() string { return s.value }

func (s Secret) String() string               { return "[secret]" }
func (s Secret) GoString() string             { return "[secret]" }
func (s Secret) LogValue() slog.Value         { return slog.StringValue("[secret]") }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal("[secret]") }
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// SecretStore resolves references such as "vault:kv/shop/prod#password".
type SecretStore interface {
	// Secret returns the value behind the reference, the scheme already cut off.
	Secret(ctx context.Context, ref string) (Secret, error)
}
