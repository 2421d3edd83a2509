package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// A login that was given up may be taken over by anybody, a team's slug by
// another team. So what the names of a file's rules mean is written down when
// the file is first read, by the digest of its text: the same file means the
// same people at every later commit.

// nameRecords keeps what names mean.
type nameRecords interface {
	// Get returns the value, or pipeline.ErrNotFound.
	Get(ctx context.Context, repo int64, key string) ([]byte, error)
	// PutNew stores the value unless there is one, and reports whether it did.
	PutNew(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) (bool, error)
}

type meantKey struct {
	repo   int64
	digest string // of the file
}

// meanings are the ids behind the names of a file, by "user:login" and
// "team:slug"; zero: nobody had the name. What may not be asked is left out.
func (c *Client) meanings(ctx context.Context, repo pipeline.Repo, p parsed) (map[string]int64, error) {
	if p.config == nil {
		return nil, nil
	}
	entries := p.config.Names()
	for _, app := range p.config.CheckApps() {
		entries = append(entries, appEntry(app), botEntry(app))
	}
	if len(entries) == 0 {
		return nil, nil
	}
	k := meantKey{repo.ID, p.digest}
	c.mu.Lock()
	known := c.meant[k]
	c.mu.Unlock()
	var err error
	if known == nil {
		if known, err = c.firstMeanings(ctx, repo, p.digest, entries); err != nil {
			return nil, err
		}
	}
	open := slices.DeleteFunc(slices.Clone(entries), func(entry string) bool {
		_, ok := known[entry]
		return ok
	})
	if len(open) > 0 {
		if known, err = c.laterMeanings(ctx, repo, p.digest, known, open); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.meant) >= maxConfigs {
		clear(c.meant)
	}
	c.meant[k] = known
	return known, nil
}

// firstMeanings are those written down when the file was first read, and now if
// it was not. Names that could not be read then are left out.
func (c *Client) firstMeanings(ctx context.Context, repo pipeline.Repo, digest string, entries []string) (map[string]int64, error) {
	known, err := c.recorded(ctx, repo, namesKey(digest))
	if err != nil || known != nil {
		return known, err
	}
	if known, err = c.lookUpAll(ctx, repo, entries); err != nil {
		return nil, err
	}
	return c.record(ctx, repo, namesKey(digest), known)
}

// laterMeanings adds what can be read by now of the names left open. Each is
// written down by itself, so that its own first reading counts.
func (c *Client) laterMeanings(ctx context.Context, repo pipeline.Repo, digest string, known map[string]int64, open []string) (map[string]int64, error) {
	known = maps.Clone(known) // others may be reading it
	for _, entry := range open {
		key := namesKey(digest) + ":" + entry
		found, err := c.recorded(ctx, repo, key)
		if err == nil && found == nil {
			found, err = c.lookUpAll(ctx, repo, []string{entry})
			if err == nil && len(found) > 0 {
				found, err = c.record(ctx, repo, key, found)
			}
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(known, found)
	}
	return known, nil
}

func namesKey(digest string) string { return "names:" + digest }

// recorded is what was written down, nil if nothing was.
func (c *Client) recorded(ctx context.Context, repo pipeline.Repo, key string) (map[string]int64, error) {
	if c.cfg.Names == nil {
		return nil, nil
	}
	value, err := c.cfg.Names.Get(ctx, repo.ID, key)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, pipeline.Temporary(err)
	}
	known := map[string]int64{}
	if err := json.Unmarshal(value, &known); err != nil {
		return nil, fmt.Errorf("names of %s: %w", repo, err)
	}
	return known, nil
}

// record writes down what names mean, unless somebody has: the first reading counts.
func (c *Client) record(ctx context.Context, repo pipeline.Repo, key string, found map[string]int64) (map[string]int64, error) {
	const forever = 0
	if c.cfg.Names == nil {
		return found, nil
	}
	value, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	isNew, err := c.cfg.Names.PutNew(ctx, repo.ID, key, value, forever)
	if err != nil {
		return nil, pipeline.Temporary(err)
	}
	if isNew {
		return found, nil
	}
	return c.recorded(ctx, repo, key)
}

// lookUpAll asks what names mean now. What may not be read is left out.
func (c *Client) lookUpAll(ctx context.Context, repo pipeline.Repo, entries []string) (map[string]int64, error) {
	found := map[string]int64{}
	for _, entry := range entries {
		id, err := c.lookUp(ctx, repo, entry)
		switch {
		case pipeline.Code(err) == "no_access": // the App may not read teams: whoever is asked about gets to know
		case err != nil:
			return nil, err
		default:
			found[entry] = id
		}
	}
	return found, nil
}

// lookUp is the id of who has the name now, zero if nobody has.
func (c *Client) lookUp(ctx context.Context, repo pipeline.Repo, entry string) (int64, error) {
	if id, written := pipeline.WrittenID(entry); written {
		return id, nil
	}
	kind, name, _ := strings.Cut(entry, ":")
	switch kind {
	case "team":
		return c.teamID(ctx, repo, name)
	case "app":
		return c.appID(ctx, repo, name)
	}
	u, err := c.user(ctx, repo, "users/"+url.PathEscape(name))
	if errors.Is(err, errMissing) {
		return 0, nil
	}
	return u.GetID(), err
}

// compareNames finds out which rules mean the person, and which only seem to.
func (c *Client) compareNames(ctx context.Context, repo pipeline.Repo, who pipeline.Actor, asked pipeline.Roster, s *pipeline.Standing) error {
	known, err := c.meaningsAt(ctx, repo, asked.ConfigSHA)
	if err != nil {
		return err
	}
	for _, entry := range asked.Entries {
		means, ok := known[entry]
		if !ok {
			if means, err = c.lookUp(ctx, repo, entry); err != nil {
				return err
			}
		}
		kind, name, _ := strings.Cut(entry, ":")
		switch {
		case kind == "team":
			err = c.compareTeam(ctx, repo, pipeline.Mistaken{Entry: entry, Means: means}, s)
		case means == who.ID:
			s.Users = append(s.Users, name)
		case strings.EqualFold(name, s.Login):
			s.Mistaken = append(s.Mistaken, pipeline.Mistaken{Entry: entry, Means: means, Now: who.ID})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// meaningsAt is meanings of the file at a commit; none at "".
func (c *Client) meaningsAt(ctx context.Context, repo pipeline.Repo, sha string) (map[string]int64, error) {
	if sha == "" {
		return nil, nil
	}
	p, err := c.parsedAt(ctx, repo, sha)
	if err != nil {
		return nil, err
	}
	return c.meanings(ctx, repo, p)
}

// compareTeam asks for membership of the team that a rule means, whatever its
// slug is now; and whether the person is in another one that has the slug.
func (c *Client) compareTeam(ctx context.Context, repo pipeline.Repo, rule pipeline.Mistaken, s *pipeline.Standing) error {
	_, name, _ := strings.Cut(rule.Entry, ":")
	slug, now, err := c.slugNow(ctx, repo, rule.Entry, rule.Means)
	if err != nil {
		return err
	}
	in, err := c.inTeam(ctx, repo, slug, s.Login)
	if err != nil {
		return err
	}
	if in {
		s.Teams = append(s.Teams, name)
		return nil
	}
	if now == rule.Means || now == 0 {
		return nil
	}
	if in, err = c.inTeam(ctx, repo, name, s.Login); in {
		rule.Now = now
		s.Mistaken = append(s.Mistaken, rule)
	}
	return err
}

// slugNow is the slug that the team of a rule has now, and the id of the team
// that has the rule's slug.
func (c *Client) slugNow(ctx context.Context, repo pipeline.Repo, entry string, means int64) (slug string, now int64, err error) {
	if _, written := pipeline.WrittenID(entry); !written {
		_, slug, _ = strings.Cut(entry, ":")
		if now, err = c.teamID(ctx, repo, slug); err != nil || now == means {
			return slug, now, err
		}
	}
	slug, err = c.slugOf(ctx, repo, means)
	return slug, now, err
}

// teamID is the id of the team that has the slug now, zero if none has.
func (c *Client) teamID(ctx context.Context, repo pipeline.Repo, slug string) (int64, error) {
	repo, err := c.Locate(ctx, repo)
	if err != nil {
		return 0, err
	}
	var t github.Team
	err = c.org(ctx, repo, "teams/"+url.PathEscape(slug), &t)
	if errors.Is(err, errMissing) {
		return 0, nil
	}
	return t.GetID(), err
}

// slugOf is the slug that a team of the repository's owner has now, "" if
// there is no such team.
func (c *Client) slugOf(ctx context.Context, repo pipeline.Repo, team int64) (string, error) {
	if team == 0 {
		return "", nil
	}
	repo, err := c.Locate(ctx, repo)
	if err != nil {
		return "", err
	}
	gh := c.as(repo, forMembers)
	all, err := pages(func(o github.ListOptions) ([]*github.Team, *github.Response, error) {
		return gh.Teams.ListTeams(ctx, repo.Owner, &o)
	})
	if err = fail("list teams of "+repo.Owner, err); err != nil && !errors.Is(err, errMissing) {
		return "", err
	}
	for _, t := range all {
		if t.GetID() == team {
			return t.GetSlug(), nil
		}
	}
	return "", nil
}

// inTeam: an invitation that was not accepted does not count, nor does a team
// that is not there.
func (c *Client) inTeam(ctx context.Context, repo pipeline.Repo, slug, login string) (bool, error) {
	if slug == "" {
		return false, nil
	}
	repo, err := c.Locate(ctx, repo)
	if err != nil {
		return false, err
	}
	var m github.Membership
	err = c.org(ctx, repo, "teams/"+url.PathEscape(slug)+"/memberships/"+url.PathEscape(login), &m)
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return err == nil && m.GetState() == "active", err
}

// org reads something of the organization that owns the repository.
func (c *Client) org(ctx context.Context, repo pipeline.Repo, path string, into any) error {
	gh := c.as(repo, forMembers)
	r, err := gh.NewRequest(http.MethodGet, "orgs/"+url.PathEscape(repo.Owner)+"/"+path, nil)
	if err != nil {
		return err
	}
	_, err = gh.Do(ctx, r, into)
	return fail("read "+path+" of "+repo.Owner, err)
}

// Named lists whom rules mean: people, and the members of teams that have no
// more than so many.
func (c *Client) Named(ctx context.Context, repo pipeline.Repo, asked pipeline.Roster, most int) ([]pipeline.Actor, error) {
	known, err := c.meaningsAt(ctx, repo, asked.ConfigSHA)
	if err != nil {
		return nil, err
	}
	var out []pipeline.Actor
	for _, entry := range asked.Entries {
		kind, name, _ := strings.Cut(entry, ":")
		id, ok := known[entry]
		if !ok {
			if id, err = c.lookUp(ctx, repo, entry); err != nil {
				return nil, err
			}
		}
		switch {
		case id == 0:
		case kind == "user":
			out = append(out, pipeline.Actor{ID: id, Login: name})
		default:
			slug, _, err := c.slugNow(ctx, repo, entry, id)
			if err != nil {
				return nil, err
			}
			members, err := c.teamMembers(ctx, repo, slug, most+1)
			if err != nil {
				return nil, err
			}
			if len(members) <= most {
				out = append(out, members...)
			}
		}
	}
	return out, nil
}

func (c *Client) teamMembers(ctx context.Context, repo pipeline.Repo, slug string, most int) ([]pipeline.Actor, error) {
	if slug == "" {
		return nil, nil
	}
	repo, err := c.Locate(ctx, repo)
	if err != nil {
		return nil, err
	}
	var members []*github.User
	err = c.org(ctx, repo, fmt.Sprintf("teams/%s/members?per_page=%d", url.PathEscape(slug), most), &members)
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	var out []pipeline.Actor
	for _, m := range members {
		out = append(out, pipeline.Actor{ID: m.GetID(), Login: m.GetLogin()})
	}
	return out, err
}
