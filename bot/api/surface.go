package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Surface keeps answers for whoever asks for them. It is a bot.Surface.
type Surface struct{ Records bot.Records }

var _ bot.Surface = Surface{}

// nowhere: commands belong to no repository, as far as records go.
const nowhere = 0

func commandKey(id string) string { return "api-command:" + id }
func answerKey(id string) string  { return "api-answer:" + id }

// Ack does nothing: who sent a command has its id.
func (Surface) Ack(context.Context, pipeline.Repo, pipeline.Origin) error { return nil }

// Reply keeps the answer. Given again it is the same.
func (s Surface) Reply(ctx context.Context, _ pipeline.Repo, at pipeline.Origin, _ pipeline.Actor, _ string, a bot.Answer) error {
	if a.Outcome == bot.Ignored {
		a = bot.Answer{Outcome: bot.Refused, Code: "no_command", Text: "There is no command in this text. A command is a line that begins with a slash, such as `/status`. (`no_command`)"}
	}
	value, err := json.Marshal(Answer{Done: true, Outcome: string(a.Outcome), Code: a.Code, Text: a.Unfolded(), Run: string(a.Run)})
	if err != nil {
		return err
	}
	return s.Records.Put(ctx, nowhere, answerKey(at.Command), value, keep)
}

// Answer is what came of a command: the body of GET /api/v1/commands/{id}.
type Answer struct {
	Done    bool   `json:"done"`
	Outcome string `json:"outcome,omitempty"` // done, refused
	Code    string `json:"code,omitempty"`    // reason code of a refusal, or why nothing new was done
	Text    string `json:"text,omitempty"`    // Markdown
	Run     string `json:"run,omitempty"`     // the run it is about
}

// answer shows what came of a command, as soon as it has come.
func (h *handler) answer(w http.ResponseWriter, r *http.Request) {
	most, ok := patience(w, r)
	if !ok {
		return
	}
	id := r.PathValue("id")
	var a Answer
	err := h.wait(r.Context(), most, func(ctx context.Context) (bool, error) {
		var err error
		a, err = h.answerTo(ctx, id)
		return a.Done, err
	})
	switch {
	case errors.Is(err, pipeline.ErrNotFound):
		fail(w, http.StatusNotFound, "unknown_command", "There is no command with this id. Answers are kept for 24 hours.")
	case err != nil:
		h.failed(w, r, err)
	default:
		write(w, http.StatusOK, a)
	}
}

// answerTo returns the answer, one that is not done, or ErrNotFound if nothing
// was asked.
func (h *handler) answerTo(ctx context.Context, id string) (Answer, error) {
	value, err := h.Records.Get(ctx, nowhere, answerKey(id))
	if errors.Is(err, pipeline.ErrNotFound) {
		_, err = h.Records.Get(ctx, nowhere, commandKey(id))
		return Answer{}, err
	}
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	if err := json.Unmarshal(value, &a); err != nil {
		return a, fmt.Errorf("answer to %s: %w", id, err)
	}
	return a, nil
}
