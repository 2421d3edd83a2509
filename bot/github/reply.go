package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Replies answers people where they wrote. It is a bot.Surface.
type Replies struct {
	Client  *Client
	Records bot.Records
	Queue   enqueuer
	Limits  budget // how many answers of its own a pull request gets

	mu   sync.Mutex
	eyes map[string]int64 // ours, by the comment they are on
}

var _ bot.Surface = &Replies{}

type enqueuer interface {
	Enqueue(ctx context.Context, jobs ...pipeline.Job) error
}

// GitHub's names of the reactions we use.
const (
	eyes     = "eyes"
	rocket   = "rocket"
	minusOne = "-1"
)

// Jobs of Replies.
const (
	kindReact   = "github-react"
	kindAnswers = "github-answers"
)

// Handlers are the jobs of Replies, for a Worker.
func (s *Replies) Handlers() map[string]pipeline.Handler {
	return map[string]pipeline.Handler{kindReact: s.reactLater, kindAnswers: s.answerPull}
}

// keepReplies is how long a command may be tried again.
const keepReplies = 7 * 24 * time.Hour

// Ack looks at the comment. It gives way to what matters when a budget is short.
// That eyes may be there is kept first: they are taken off by their id, and
// looked for only where a crash came in between.
func (s *Replies) Ack(ctx context.Context, repo pipeline.Repo, at pipeline.Origin) error {
	on := spot{repo, at}
	if at.Comment == 0 || !on.takesReactions() {
		return nil
	}
	if err := s.Records.Put(ctx, repo.ID, on.eyesKey(), []byte("0"), keepReplies); err != nil {
		return err
	}
	id, err := s.react(withUrgency(ctx, courteous), on, eyes)
	if err != nil {
		return notMissing(err)
	}
	s.mu.Lock()
	if s.eyes == nil || len(s.eyes) > maxEyes {
		s.eyes = map[string]int64{}
	}
	s.eyes[on.eyesKey()] = id
	s.mu.Unlock()
	return s.Records.Put(ctx, repo.ID, on.eyesKey(), strconv.AppendInt(nil, id, 10), keepReplies)
}

const maxEyes = 10_000 // kept in memory; what is dropped is in the records

func (s spot) eyesKey() string {
	return "eyes:" + s.at.CommentKind + strconv.FormatInt(s.at.Comment, 10)
}

// Reply says what there is to say that the living comment does not show, and
// ends the eyes with a rocket or a minus one. Given again after a crash it finds
// what it said.
func (s *Replies) Reply(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, a bot.Answer) error {
	if a.Text != "" && !a.Shown && at.PR != 0 {
		text := ours(a.Text) + folds(a.Folded)
		if to.ID != 0 && isLogin(to.Login) {
			text = "@" + to.Login + " " + text
		}
		if err := s.say(withUrgency(ctx, answering), pullOf{repo, at.PR}, key, text); err != nil {
			return notMissing(err)
		}
	}
	if at.Comment == 0 || !(spot{repo, at}).takesReactions() {
		return nil
	}
	return s.outcome(ctx, reaction{Repo: repo, Comment: at.Comment, Kind: at.CommentKind, Outcome: a.Outcome, Until: s.Client.cfg.Now().Add(reactWithin)})
}

func folds(all []commands.Folded) string {
	var b strings.Builder
	for _, f := range all {
		b.WriteString("\n\n")
		fold(&b, f.Title, "", ours(f.Text))
	}
	return strings.TrimRight(b.String(), "\n")
}

// reactWithin is how long a reaction waits for its turn; later nobody misses it.
const reactWithin = 2 * time.Minute

// reaction is the outcome of a command, to be shown on its comment.
type reaction struct {
	Repo    pipeline.Repo `json:"repo"`
	Comment int64         `json:"comment"`
	Kind    string        `json:"kind,omitempty"` // of the comment
	Outcome bot.Outcome   `json:"outcome"`
	Until   time.Time     `json:"until"`
}

// outcome shows it, or leaves it to a job where it has to wait for its turn.
func (s *Replies) outcome(ctx context.Context, re reaction) error {
	err := notMissing(s.settle(ctx, re))
	var wait *Patience
	if !errors.As(err, &wait) {
		return err
	}
	payload, err := json.Marshal(re)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("react:%d:%s%d", re.Repo.ID, re.Kind, re.Comment)
	return pipeline.Temporary(s.Queue.Enqueue(ctx, pipeline.Job{ID: id, Kind: kindReact, Repo: re.Repo.ID, Payload: payload, At: s.Client.cfg.Now().Add(wait.Wait)}))
}

func (s *Replies) reactLater(ctx context.Context, l *pipeline.Lease) error {
	var re reaction
	if err := json.Unmarshal(l.Payload, &re); err != nil {
		return fmt.Errorf("decode reaction: %w", err)
	}
	err := notMissing(s.settle(ctx, re))
	if errors.As(err, new(*Patience)) && !s.Client.cfg.Now().Before(re.Until) || pipeline.AsRefused(err) != nil {
		return nil // nobody misses it
	}
	return err
}

// settle shows the outcome on the comment, and takes our eyes off it.
func (s *Replies) settle(ctx context.Context, re reaction) error {
	ctx = withUrgency(ctx, courteous)
	on := spot{re.Repo, pipeline.Origin{Comment: re.Comment, CommentKind: re.Kind}}
	if content := map[bot.Outcome]string{bot.Seen: eyes, bot.Done: rocket, bot.Refused: minusOne}[re.Outcome]; content != "" {
		if _, err := s.react(ctx, on, content); err != nil {
			return err
		}
	}
	if re.Outcome == bot.Seen {
		return nil
	}
	s.mu.Lock()
	id, known := s.eyes[on.eyesKey()]
	delete(s.eyes, on.eyesKey())
	s.mu.Unlock()
	if !known {
		kept, err := s.Records.Get(ctx, re.Repo.ID, on.eyesKey())
		if errors.Is(err, pipeline.ErrNotFound) || err == nil && kept == nil {
			return nil
		}
		if err != nil {
			return pipeline.Temporary(err)
		}
		id, _ = strconv.ParseInt(string(kept), 10, 64) // 0: a crash came before it was known
	}
	if id == 0 {
		return s.lookAway(ctx, on)
	}
	return s.unreact(ctx, on, id)
}

// react is the same however often it is done: GitHub keeps one of a kind.
func (s *Replies) react(ctx context.Context, on spot, content string) (id int64, err error) {
	gh := s.Client.as(on.repo, forTalking)
	r, err := gh.NewRequest(http.MethodPost, on.path()+"/reactions", map[string]string{"content": content})
	if err != nil {
		return 0, err
	}
	var made github.Reaction
	_, err = gh.Do(ctx, r, &made)
	return made.GetID(), fail("react to "+on.String(), err)
}

func (s *Replies) unreact(ctx context.Context, on spot, id int64) error {
	gh := s.Client.as(on.repo, forTalking)
	r, err := gh.NewRequest(http.MethodDelete, on.path()+"/reactions/"+strconv.FormatInt(id, 10), nil)
	if err != nil {
		return err
	}
	_, err = gh.Do(ctx, r, nil)
	return fail("take eyes off "+on.String(), err)
}

// lookAway looks for our eyes on the comment and takes them off.
func (s *Replies) lookAway(ctx context.Context, on spot) error {
	gh := s.Client.as(on.repo, forTalking)
	list, err := pages(func(o github.ListOptions) ([]*github.Reaction, *github.Response, error) {
		path := on.path() + fmt.Sprintf("/reactions?content=%s&per_page=%d&page=%d", eyes, o.PerPage, max(o.Page, 1))
		r, err := gh.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return nil, nil, err
		}
		var page []*github.Reaction
		resp, err := gh.Do(ctx, r, &page)
		return page, resp, err
	})
	if err != nil {
		return fail("take eyes off "+on.String(), err)
	}
	for _, re := range list {
		if s.Client.isUs(re.GetUser()) && re.GetContent() == eyes {
			if err := notMissing(s.unreact(ctx, on, re.GetID())); err != nil {
				return err
			}
		}
	}
	return nil
}

// isUs: only Apps can have an account that ends in "[bot]".
func (c *Client) isUs(u *github.User) bool {
	return u.GetType() == "Bot" && strings.EqualFold(u.GetLogin(), c.cfg.Slug+"[bot]")
}

// isLogin keeps everything but a login out of a mention.
func isLogin(s string) bool {
	return s != "" && len(s) <= 39 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// notMissing: where the comment or the pull request is gone, nobody reads an answer.
func notMissing(err error) error {
	if unreachable(err) || !pipeline.IsTemporary(err) && pipeline.Code(err) == "not_installed" {
		return nil
	}
	return err
}
