package github

import (
	"slices"
	"time"
)

type reaction struct {
	id      int64
	by      *account
	content string
	at      time.Time
}

// Reaction is one person's reaction to a comment.
type Reaction struct {
	ID        int64     `json:"id"`
	NodeID    string    `json:"node_id"`
	User      User      `json:"user"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
}

// Reactions counts the reactions to a comment.
type Reactions struct {
	URL        string `json:"url"`
	TotalCount int    `json:"total_count"`
	PlusOne    int    `json:"+1"`
	MinusOne   int    `json:"-1"`
	Laugh      int    `json:"laugh"`
	Hooray     int    `json:"hooray"`
	Confused   int    `json:"confused"`
	Heart      int    `json:"heart"`
	Rocket     int    `json:"rocket"`
	Eyes       int    `json:"eyes"`
}

func (s *Server) reactionSummary(url string, list []*reaction) Reactions {
	sum := Reactions{URL: url + "/reactions", TotalCount: len(list)}
	for _, re := range list {
		if n := sum.counter(re.content); n != nil {
			*n++
		}
	}
	return sum
}

// counter is where a kind of reaction is counted, nil for no such kind.
func (sum *Reactions) counter(content string) *int {
	return map[string]*int{
		"+1": &sum.PlusOne, "-1": &sum.MinusOne, "laugh": &sum.Laugh, "hooray": &sum.Hooray,
		"confused": &sum.Confused, "heart": &sum.Heart, "rocket": &sum.Rocket, "eyes": &sum.Eyes,
	}[content]
}

func (s *Server) reactionInfo(re *reaction) Reaction {
	return Reaction{ID: re.id, NodeID: nodeID("REA", re.id), User: s.user(re.by), Content: re.content, CreatedAt: re.at}
}

func (s *Server) createReaction(c *call) (*reply, error) {
	cm, err := c.comment()
	if err != nil {
		return nil, err
	}
	var in struct {
		Content *string `json:"content"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := required(map[string]bool{"content": in.Content != nil}); err != nil {
		return nil, err
	}
	if (&Reactions{}).counter(*in.Content) == nil {
		return nil, wrong("Reaction", "content")
	}
	if err := s.unlocked(cm.pull, c.actor(), "reaction"); err != nil {
		return nil, err
	}
	re, isNew := s.react(cm, c.actor(), *in.Content)
	if !isNew {
		return ok(s.reactionInfo(re)), nil
	}
	return created(s.reactionInfo(re)), nil
}

// react adds a reaction, or finds the one that is there.
func (s *Server) react(cm *comment, by *account, content string) (re *reaction, isNew bool) {
	for _, have := range cm.reactions {
		if have.by == by && have.content == content {
			return have, false
		}
	}
	re = &reaction{id: s.db.newID(), by: by, content: content, at: s.now()}
	cm.reactions = append(cm.reactions, re)
	s.notify(Change{Kind: "reaction", Repo: cm.pull.repo.fullName(), Number: cm.pull.number, ID: cm.id})
	return re, true
}

func (s *Server) listReactions(c *call) (*reply, error) {
	cm, err := c.comment()
	if err != nil {
		return nil, err
	}
	out := []Reaction{}
	for _, re := range cm.reactions {
		if want := c.query.Get("content"); want == "" || want == re.content {
			out = append(out, s.reactionInfo(re))
		}
	}
	return ok(pageOf(c, out)), nil
}

func (s *Server) deleteReaction(c *call) (*reply, error) {
	cm, err := c.comment()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(cm.reactions, func(re *reaction) bool { return re.id == c.number("reaction") })
	if i < 0 {
		return nil, notFound()
	}
	if cm.reactions[i].by != c.actor() {
		return nil, forbidden("Resource not accessible by integration")
	}
	cm.reactions = slices.Delete(cm.reactions, i, i+1)
	s.notify(Change{Kind: "reaction", Repo: c.repo.fullName(), Number: cm.pull.number, ID: cm.id})
	return noContent(), nil
}
