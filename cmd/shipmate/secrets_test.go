package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRulesForSecretsOfChecksSayExactlyWhatTheyMean(t *testing.T) {
	for rules, want := range map[string]string{
		`[{repo: acme/shop, refs: ["env:NEXUS"]}]`:                                                     "",
		`[{repo: "583231", refs: ["vault:kv/shop/**"], apps: ["49699333:dependabot", "29139614"]}]`:    "",
		`[{repo: "acme/*", refs: ["env:NEXUS"]}]`:                                                      "write the one repository",
		`[{repo: "**", refs: ["env:NEXUS"]}]`:                                                          "write the one repository",
		`[{repo: "!acme/shop", refs: ["env:NEXUS"]}]`:                                                  "write the one repository",
		`[{repo: acme, refs: ["env:NEXUS"]}]`:                                                          "write the one repository",
		`[{repo: "0", refs: ["env:NEXUS"]}]`:                                                           "write the one repository",
		`[{refs: ["env:NEXUS"]}]`:                                                                      "write the one repository",
		`[{repo: acme/shop}]`:                                                                          "refs is missing",
		`[{repo: acme/shop, refs: []}]`:                                                                "refs is missing",
		`[{repo: acme/shop, refs: ["env:["]}]`:                                                         "secrets.checks, rule 1",
		`[{repo: acme/shop, refs: ["env:A"]}, {repo: acme/shop, refs: ["env:A"], apps: [dependabot]}]`: `secrets.checks, rule 2: apps has "dependabot"`,
		`[{repo: acme/shop, refs: ["env:A"], apps: ["*"]}]`:                                            "apps has",
		`[{repo: acme/shop, refs: ["env:A"], environments: [prod]}]`:                                   "environments",
	} {
		file := filepath.Join(t.TempDir(), "settings.yaml")
		if err := os.WriteFile(file, []byte("secrets: {checks: "+rules+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(file, environ{})
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", rules, err)
		case want == "" && len(c.Secrets.checkRules()) != 1:
			t.Errorf("%s: %v", rules, c.Secrets.checkRules())
		case strings.Contains(rules, "29139614"):
			if got := c.Secrets.checkRules()[0].Apps; len(got) != 2 || got[0] != 49699333 || got[1] != 29139614 {
				t.Errorf("apps %v", got)
			}
		}
	}
}
