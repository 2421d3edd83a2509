// Package artifact keeps the files that a step hands to those after it: packed
// where the step ran ([Pack]), kept in a blob store ([Store]) and unpacked where
// a step that needs it runs ([Unpack]). [Needed] says which those are.
package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/shipmate/shipmate/pipeline"
)

// Set is the artifacts of one step of a run.
type Set struct {
	Run  pipeline.RunID
	Step string
	From pipeline.RunID // the run that made them, if the step was taken over from it
}

func (s Set) key(run pipeline.RunID) string {
	return fmt.Sprintf("%s%s/%s.tar.gz", Folder, run, url.PathEscape(s.Step))
}

// Needed are the sets a step finds in its workspace: of all steps it needs,
// directly or through others, in the pipeline's order.
func Needed(r *pipeline.Run, step string) []Set {
	var needed []Set
	before := ancestors(r.Pipeline, step)
	for _, def := range r.Pipeline.Steps {
		s := r.Step(def.Name)
		if !before[def.Name] || len(def.Artifacts) == 0 || s == nil || s.State != pipeline.Succeeded {
			continue
		}
		set := Set{Run: r.ID, Step: def.Name}
		if s.Code == "reused" {
			set.From = r.Made(def.Name)
		}
		needed = append(needed, set)
	}
	return needed
}

func ancestors(p pipeline.Pipeline, step string) map[string]bool {
	found := map[string]bool{}
	for next := []string{step}; len(next) > 0; next = next[1:] {
		def, _ := p.Step(next[0])
		for _, need := range def.Needs {
			if !found[need] {
				found[need] = true
				next = append(next, need)
			}
		}
	}
	return found
}

// Store keeps sets for as long as its bucket does.
type Store struct {
	Bucket *blob.Bucket
	Limit  int64 // bytes of the files of one set; default 1 GiB
}

// Max is how large the files of one set may be together.
func (s *Store) Max() int64 {
	if s.Limit == 0 {
		return 1 << 30
	}
	return s.Limit
}

// Put keeps what r holds, as Pack writes it, or nothing if r fails.
func (s *Store) Put(ctx context.Context, set Set, r io.Reader) error {
	ctx, abort := context.WithCancel(ctx)
	defer abort()
	w, err := s.Bucket.NewWriter(ctx, set.key(set.Run), &blob.WriterOptions{ContentType: "application/gzip"})
	if err != nil {
		return pipeline.Temporary(fmt.Errorf("keep artifacts: %w", err))
	}
	if _, err := io.Copy(w, r); err != nil {
		abort() // a blob writer closed now writes nothing
		return errors.Join(err, w.Close())
	}
	if err := w.Close(); err != nil {
		return pipeline.Temporary(fmt.Errorf("keep artifacts: %w", err))
	}
	return nil
}

// Open returns a set and its size in bytes. One that was taken over is copied
// first, so that it is found when this run is itself deployed once more.
func (s *Store) Open(ctx context.Context, set Set) (io.ReadCloser, int64, error) {
	r, err := s.Bucket.NewReader(ctx, set.key(set.Run), nil)
	if gcerrors.Code(err) == gcerrors.NotFound && set.From != "" {
		if err = s.Bucket.Copy(ctx, set.key(set.Run), set.key(set.From), nil); err == nil {
			r, err = s.Bucket.NewReader(ctx, set.key(set.Run), nil)
		}
	}
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil, 0, pipeline.Refuse("no_artifacts", "The artifacts of `%s` are not there: they were deleted, or only another bot has them. Start a new run that makes them; where several bots run, the operator has to give them one store (`store_url`).", set.Step)
	case err != nil:
		return nil, 0, pipeline.Temporary(fmt.Errorf("artifacts of %s: %w", set.Step, err))
	}
	return r, r.Size(), nil
}

// Folder holds the sets of all runs, each run in a folder of its own.
const Folder = "artifacts/"

// Delete removes what is kept of a run. What somebody else removes meanwhile is removed.
func (s *Store) Delete(ctx context.Context, run pipeline.RunID) error {
	list := s.Bucket.List(&blob.ListOptions{Prefix: Folder + string(run) + "/"})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list artifacts of %s: %w", run, err)
		}
		if err := s.Bucket.Delete(ctx, o.Key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("delete %s: %w", o.Key, err)
		}
	}
}

// Save packs the files below dir that match the patterns, and keeps them. What
// a person can change is an *Error.
func (s *Store) Save(ctx context.Context, set Set, dir string, patterns []string) error {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Pack(w, dir, patterns, s.Max())
		w.CloseWithError(err)
		done <- err
	}()
	err := s.Put(ctx, set, r)
	r.CloseWithError(io.ErrClosedPipe)
	if perr := <-done; perr != nil && !errors.Is(perr, io.ErrClosedPipe) {
		return perr
	}
	return err
}

// Load puts the files that the step needs of others below dir.
func (s *Store) Load(ctx context.Context, r *pipeline.Run, step, dir string) error {
	for _, set := range Needed(r, step) {
		in, _, err := s.Open(ctx, set)
		if err != nil {
			return err
		}
		if err := errors.Join(Unpack(in, dir, s.Max()), in.Close()); err != nil {
			return fmt.Errorf("artifacts of %s: %w", set.Step, err)
		}
	}
	return nil
}
