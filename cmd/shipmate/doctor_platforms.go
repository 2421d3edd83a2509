//go:build !small

package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
)

// examinePlatforms asks everything that can be asked, also whether GitHub's last
// webhooks arrived.
func examinePlatforms(ctx context.Context, e examiner) map[string][]bot.Finding {
	const (
		patience = 20 * time.Second
		lookBack = 24 * time.Hour
	)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all := examine(ctx, e.whole())
	if e.github != nil && !slices.ContainsFunc(all[bot.OnGitHub], hopeless) {
		_, failed := e.github.Deliveries(ctx, time.Now().Add(-lookBack))
		all[bot.OnGitHub] = append(all[bot.OnGitHub], failed...)
	}
	return all
}

func (f findings) platformsLack() bool {
	for _, found := range f.Platforms {
		if len(found) > 0 {
			return true
		}
	}
	return false
}

// summary is a line about what was found; "" if nothing was.
func summary(found []bot.Finding) string {
	var kinds []string
	for _, f := range found {
		kinds = append(kinds, f.Kind)
	}
	return strings.Join(kinds, ", ")
}

// platformTexts are the sentences about the platforms.
func (f findings) platformTexts() string {
	var b strings.Builder
	for _, platform := range slices.Sorted(maps.Keys(f.Platforms)) {
		for _, x := range f.Platforms[platform] {
			b.WriteString("\n" + platform + ": " + x.Text + "\n")
		}
	}
	return b.String()
}
