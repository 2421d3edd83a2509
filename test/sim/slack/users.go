package slack

import "slices"

func usersInfo(c *call) (reply, error) {
	u := c.visibleUser(c.str("user"))
	if u == nil {
		return nil, refuse("user_not_found")
	}
	return reply{"user": u.wire(c)}, nil
}

func usersList(c *call) (reply, error) {
	var found []Block
	for _, u := range c.users {
		if u.Team == c.team.ID && !u.IsStranger {
			found = append(found, u.wire(c))
		}
	}
	out, err := page(c, "members", found, 1000)
	if err == nil {
		out["cache_ts"] = c.now.Unix()
	}
	return out, err
}

// visibleUser finds a person by id: of this workspace, or anybody who shares a
// channel with it through Slack Connect.
func (c *call) visibleUser(id string) *User {
	i := slices.IndexFunc(c.users, func(u *User) bool {
		return u.ID == id && (u.Team == c.team.ID || u.IsStranger)
	})
	if i < 0 {
		return nil
	}
	return c.users[i]
}

func (u *User) wire(c *call) Block {
	profile := Block{"display_name": u.Name, "display_name_normalized": u.Name, "real_name": u.RealName, "team": u.Team}
	if u.Email != "" && c.needScope("users:read.email") == nil {
		profile["email"] = u.Email
	}
	out := Block{
		"id": u.ID, "team_id": u.Team, "name": u.Name, "deleted": u.Deleted, "real_name": u.RealName,
		"profile": profile, "is_bot": u.IsBot, "is_app_user": false, "updated": c.now.Unix(),
	}
	if u.Deleted {
		return out // the original leaves the other flags out
	}
	out["is_restricted"] = u.IsRestricted
	out["is_ultra_restricted"] = u.IsUltraRestricted
	out["is_email_confirmed"] = u.Email != ""
	out["tz"] = "Etc/UTC"
	if u.IsStranger || u.Team != c.team.ID {
		out["is_stranger"] = u.IsStranger
	}
	return out
}
