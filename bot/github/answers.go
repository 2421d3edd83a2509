package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Where many ask on one pull request, their answers are one comment: the first
// ones of a minute are given one by one, the others are kept until their turn
// comes. How many are given one by one depends on how much of the hour's budget
// the installation has used for answers.

// pullOf is a pull request.
type pullOf struct {
	Repo   pipeline.Repo `json:"repo"`
	Number int           `json:"number"`
}

const (
	// answersOfOwn is how many answers in a minute are comments of their own.
	answersOfOwn = 20
	// answersAtEase is how many answers of an installation in an hour are given so
	// freely; after them it is answersSpared.
	answersAtEase = 100
	answersSpared = 2
	// lateAnswer is how late an answer has to be for people to be told.
	lateAnswer = 30 * time.Second
)

// pending is an answer that waits for its turn.
type pending struct {
	At   time.Time `json:"at"` // when it could have been given
	Text string    `json:"text"`
}

func saidKey(key string) string              { return "said:" + key }
func (p pullOf) waiting() string             { return fmt.Sprintf("answers:%d", p.Number) }
func (p pullOf) answerKey(key string) string { return fmt.Sprintf("answer:%d:%s", p.Number, key) }

// say gives an answer at once, or keeps it to be given with others.
func (s *Replies) say(ctx context.Context, p pullOf, key, text string) error {
	kept, err := s.Records.Get(ctx, p.Repo.ID, p.answerKey(key))
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return pipeline.Temporary(err)
	}
	if kept != nil { // by an earlier try
		return s.answerSoon(ctx, p, 0)
	}
	tried, err := s.Records.Get(ctx, p.Repo.ID, saidKey(key))
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return pipeline.Temporary(err)
	}
	if tried != nil { // it may stand there
		return s.sayAlone(ctx, p, key, text)
	}
	ok, wait, err := s.ownComment(ctx, p)
	if err != nil {
		return pipeline.Temporary(err)
	}
	late := false
	if ok {
		err = s.sayAlone(ctx, p, key, text)
		var spent *Patience
		if !errors.As(err, &spent) {
			return err
		}
		wait, late = spent.Wait, spent.Wait >= lateAnswer
	}
	if err := s.keep(ctx, p, key, text); err != nil {
		return pipeline.Temporary(err)
	}
	if err := s.answerSoon(ctx, p, wait); err != nil || !late {
		return err
	}
	return s.sayLate(ctx, p, wait)
}

// ownComment reports whether an answer may be a comment of its own, and if not
// when the next one may.
func (s *Replies) ownComment(ctx context.Context, p pullOf) (ok bool, wait time.Duration, err error) {
	atEase, _, err := s.Limits.Budget(ctx, fmt.Sprintf("answers-of:%d", p.Repo.Installation), answersAtEase, time.Hour, 1)
	if err != nil {
		return false, 0, err
	}
	most := answersOfOwn
	if !atEase {
		most = answersSpared
	}
	return s.Limits.Budget(ctx, fmt.Sprintf("answers:%d:%d", p.Repo.ID, p.Number), most, time.Minute, 1)
}

// sayLate tells people once an hour, on the pull request, that answers are late.
// It is left out where not even that may be written.
func (s *Replies) sayLate(ctx context.Context, p pullOf, wait time.Duration) error {
	fresh, err := s.Records.PutNew(ctx, p.Repo.ID, fmt.Sprintf("late:%d", p.Number), []byte("1"), time.Hour)
	if err != nil || !fresh {
		return pipeline.Temporary(err)
	}
	ctx, err = s.Client.prepay(withUrgency(ctx, warning), p.Repo)
	var spent *Patience
	if errors.As(err, &spent) {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.Client.cfg.Now()
	text := fmt.Sprintf("GitHub lets shipmate write only so much in a minute and in an hour, and that is used up. What was asked for is "+
		"done all the same; answers, statuses and checks follow from about %s.",
		now.Add(wait).UTC().Format("15:04 MST"))
	_, err = s.Client.write(ctx, s.post(p, fmt.Sprintf("late:%d", now.Unix()), text, false))
	return err
}

// sayAlone writes a comment for one answer. It looks for it where an earlier try
// may have written it.
func (s *Replies) sayAlone(ctx context.Context, p pullOf, key, text string) error {
	ctx, err := s.Client.prepay(ctx, p.Repo)
	if err != nil {
		return err
	}
	fresh, err := s.Records.PutNew(ctx, p.Repo.ID, saidKey(key), []byte("1"), keepReplies)
	if err != nil {
		return pipeline.Temporary(err)
	}
	_, err = s.Client.write(ctx, s.post(p, "reply:"+key, text, !fresh))
	return err
}

func (s *Replies) post(p pullOf, mark, text string, look bool) post {
	m := marker(mark)
	return post{repo: p.Repo, pr: p.Number, marker: m, since: s.Client.cfg.Now().Add(-keepReplies), fresh: !look, body: m + "\n" + cutMiddle(text, maxText-len(m)-1)}
}

// keep keeps an answer for later. It is listed first: what is listed and not
// kept is not given, and not forgotten either.
func (s *Replies) keep(ctx context.Context, p pullOf, key, text string) error {
	value, err := json.Marshal(pending{At: s.Client.cfg.Now(), Text: text})
	if err != nil {
		return err
	}
	if err := s.Records.Add(ctx, p.Repo.ID, p.waiting(), key, keepReplies); err != nil {
		return err
	}
	_, err = s.Records.PutNew(ctx, p.Repo.ID, p.answerKey(key), value, keepReplies)
	return err
}

func (s *Replies) answerSoon(ctx context.Context, p pullOf, wait time.Duration) error {
	payload, err := json.Marshal(p)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("answers:%d:%d", p.Repo.ID, p.Number)
	return pipeline.Temporary(s.Queue.Enqueue(ctx, pipeline.Job{ID: id, Kind: kindAnswers, Repo: p.Repo.ID, Payload: payload, At: s.Client.cfg.Now().Add(wait), Again: true}))
}

// answerPull gives the answers that are kept for a pull request in one comment.
// Tried again it finds that comment by the oldest of them.
func (s *Replies) answerPull(ctx context.Context, l *pipeline.Lease) error {
	var p pullOf
	if err := json.Unmarshal(l.Payload, &p); err != nil {
		return fmt.Errorf("decode answers: %w", err)
	}
	keys, texts, err := s.kept(ctx, p)
	if err != nil || len(keys) == 0 {
		return pipeline.Temporary(err)
	}
	fitting, room := 0, maxText-1000
	for fitting < len(texts) && (fitting == 0 || room >= len(texts[fitting])) {
		room -= len(texts[fitting]) + 2
		fitting++
	}
	paid, err := s.Client.prepay(withUrgency(ctx, answering), p.Repo)
	var spent *Patience
	if errors.As(err, &spent) && spent.Wait >= lateAnswer {
		if told := s.sayLate(ctx, p, spent.Wait); told != nil {
			return told
		}
	}
	if err != nil {
		return err
	}
	_, err = s.Client.write(paid, s.post(p, "answers:"+keys[0], strings.Join(texts[:fitting], "\n\n"), true))
	if pipeline.AsRefused(err) != nil && pipeline.Code(err) == "conversation_locked" {
		s.Client.cfg.Log.Warn("answers not given", "repo", p.Repo.String(), "code", pipeline.Code(err), "err", err)
		err = nil
	}
	if err = notMissing(err); err != nil {
		return err
	}
	for _, key := range keys[:fitting] {
		if err := s.Records.Remove(ctx, p.Repo.ID, p.waiting(), key); err != nil {
			return pipeline.Temporary(err)
		}
	}
	if fitting < len(keys) {
		return s.answerSoon(ctx, p, time.Second)
	}
	return nil
}

// kept are the answers that wait, the oldest first.
func (s *Replies) kept(ctx context.Context, p pullOf) (keys, texts []string, err error) {
	all, err := s.Records.Members(ctx, p.Repo.ID, p.waiting())
	if err != nil {
		return nil, nil, err
	}
	answers := map[string]pending{}
	for _, key := range all {
		value, err := s.Records.Get(ctx, p.Repo.ID, p.answerKey(key))
		if errors.Is(err, pipeline.ErrNotFound) || err == nil && value == nil {
			continue // whoever lists it has not kept it yet
		}
		var a pending
		if err == nil {
			err = json.Unmarshal(value, &a)
		}
		if err != nil {
			return nil, nil, err
		}
		answers[key] = a
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(answers[a].At.Compare(answers[b].At), cmp.Compare(a, b)) })
	for _, key := range keys {
		texts = append(texts, answers[key].Text)
	}
	return keys, texts, nil
}
