package test

import (
	"regexp"

	"github.com/shipmate/shipmate/test/world"
)

var canLink = regexp.MustCompile(`(?m)^given people can link their accounts$`)

// followLink opens the newest link that somebody was given, in a browser that is
// signed in to Slack as who follows it.
func followLink(s *stage, a action) error {
	address, err := s.w.LinkTo(a.where)
	if err != nil {
		return err
	}
	_, page, err := s.w.Follow(s.ctx, address, world.Visitor{Slack: a.who, GitHub: a.what})
	s.pages = append(s.pages, said(a.who+"'s browser", page))
	return err
}
