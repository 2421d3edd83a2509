package pipeline

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"environments", "pipelines", "service", "prod", "staging", "approvals", "on", "if", "DB_PASSWORD"}
	for _, tt := range []struct{ name, word, want string }{
		{"a letter is missing", "enviroments", "environments"},
		{"a letter too many", "serviice", "service"},
		{"a wrong letter", "stabing", "staging"},
		{"two letters swapped", "prdo", "prod"},
		{"another case", "PROD", "prod"},
		{"a part of the letters", "approves", "approvals"},
		{"the end is missing", "DB_PASSWOR", "DB_PASSWORD"},
		{"short words allow one edit", "of", "on"},
		{"nothing is near", "kubernetes", ""},
		{"short and far", "xyz", ""},
		{"an empty word", "", ""},
		{"a huge word", strings.Repeat("x", 100_000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Nearest(tt.word, known)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("Nearest(%.20q) = %q, %v; want %q", tt.word, got, ok, tt.want)
			}
		})
	}
}
