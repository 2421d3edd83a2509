package bot

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Button is what a button on a message means. People hold only its id, which is
// random; nothing in it is to be trusted but that.
type Button struct {
	Run     pipeline.RunID `json:"run"`
	Kind    ButtonKind     `json:"kind"`
	Gate    string         `json:"gate,omitempty"`
	SHA     string         `json:"sha"`
	Confirm *confirmation  `json:"confirm,omitempty"` // what a ButtonConfirm says yes to
}

// Buttons makes ids and finds what they mean.
type Buttons struct{ Records Records }

// Records are small values under a key, in the shard of a repository.
type Records interface {
	// Get returns the value, or pipeline.ErrNotFound.
	Get(ctx context.Context, repo int64, key string) ([]byte, error)
	// GetAll returns the values in the order of their keys, nil where there is none.
	GetAll(ctx context.Context, repo int64, keys ...string) ([][]byte, error)
	Put(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) error
	// PutNew stores the value unless there is one, and reports whether it did.
	PutNew(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) (bool, error)
	// Add, Remove and Members keep a set of small texts.
	Add(ctx context.Context, repo int64, key, member string, keep time.Duration) error
	Remove(ctx context.Context, repo int64, key, member string) error
	Members(ctx context.Context, repo int64, key string) ([]string, error)
}

const keepButtons = 90 * 24 * time.Hour

// ID returns the id of a button, the same each time: 20 characters, which is
// all that GitHub takes, with 120 random bits.
func (b Buttons) ID(ctx context.Context, r *pipeline.Run, kind ButtonKind, gate string) (string, error) {
	key := "button-of:" + string(r.ID) + ":" + string(kind) + ":" + gate
	id := []byte(randomID())
	fresh, err := b.Records.PutNew(ctx, r.Repo.ID, key, id, keepButtons)
	if err == nil && !fresh {
		id, err = b.Records.Get(ctx, r.Repo.ID, key)
	}
	if err != nil {
		return "", err
	}
	value, err := json.Marshal(Button{Run: r.ID, Kind: kind, Gate: gate, SHA: r.SHA})
	if err != nil {
		return "", err
	}
	return string(id), b.Records.Put(ctx, r.Repo.ID, "button:"+string(id), value, keepButtons)
}

// Find returns what a button means.
func (b Buttons) Find(ctx context.Context, repo int64, id string) (Button, error) {
	value, err := b.Records.Get(ctx, repo, "button:"+id)
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return Button{}, err
	}
	if value == nil {
		return Button{}, pipeline.Refuse("unknown_button", "This button is not one of ours, or it is too old. Use the command instead.")
	}
	var btn Button
	err = json.Unmarshal(value, &btn)
	return btn, err
}

func randomID() string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// pressed does what a button means, by the same commands and rules as words.
func (b *Bot) pressed(ctx context.Context, key string, m Pressed) error {
	btn, err := b.Buttons.Find(ctx, m.Repo.ID, m.Button)
	if err != nil {
		return b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, err)
	}
	if btn.Confirm != nil {
		return b.confirmed(ctx, key, m, btn)
	}
	r, err := b.Store.Load(ctx, btn.Run)
	if err != nil {
		return b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, pipeline.Refuse("unknown_run", "The run behind this button is gone. Which there are says `/status`."))
	}
	at := m.Origin
	if at.Surface == "github" {
		at.PR = r.PR
	}
	line, err := b.Commands.Parse(buttonLine(btn, r, m.Reason))
	if err != nil {
		return b.refuse(ctx, r.Repo, at, m.Actor, key, err)
	}
	return b.obey(ctx, key, Said{Repo: r.Repo, Actor: m.Actor, Origin: at, At: m.At, Came: m.Came, gate: btn.Gate}, []commands.Line{line})
}

// buttonLine is the command a button stands for.
func buttonLine(btn Button, r *pipeline.Run, reason string) string {
	switch btn.Kind {
	case ButtonReject:
		if reason == "" {
			reason = "rejected by button"
		}
		return commands.Paste("/reject", string(r.ID)) + commands.PasteFlag("reason", reason)
	case ButtonRollback:
		return commands.Paste("/rollback", r.EnvironmentName())
	}
	return commands.Paste("/"+string(btn.Kind), string(r.ID))
}
