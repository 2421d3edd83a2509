package logstore

import (
	"context"

	"github.com/shipmate/shipmate/pipeline"
)

// Steps opens logs for an Engine: each is masked with the secrets of its step,
// and moved to the blob store when its attempt has ended.
type Steps struct{ *Store }

// Open opens the log of one attempt.
func (s Steps) Open(ctx context.Context, r *pipeline.Run, step string, attempt int, secrets map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	var values []pipeline.Secret
	for _, v := range secrets {
		values = append(values, v)
	}
	masker, err := pipeline.NewMasker(values...)
	if err != nil {
		return nil, err
	}
	log, err := s.Store.Open(ctx, r.ID, step, attempt, masker)
	if err != nil {
		return nil, err
	}
	return &stepLog{log, s.Store, masker, r.ID, step, attempt}, nil
}

type stepLog struct {
	*Log
	store   *Store
	masker  *pipeline.Masker
	run     pipeline.RunID
	step    string
	attempt int
}

// Mask hides the step's secrets in a text.
func (l *stepLog) Mask(text string) string { return l.masker.String(text) }

// Close keeps the log open for a later call, or ends it and moves it away.
func (l *stepLog) Close(ctx context.Context, ended bool) error {
	if !ended {
		return l.Log.Close(ctx)
	}
	if err := l.Log.Finish(ctx); err != nil {
		return err
	}
	return l.store.Archive(ctx, l.run, l.step, l.attempt)
}
