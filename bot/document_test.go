package bot

import (
	"reflect"
	"strings"
	"testing"
)

func TestDocument(t *testing.T) {
	for name, c := range map[string]struct {
		md   string
		want []Part
	}{
		"nothing":               {" \n\n", nil},
		"text":                  {"# done\n**x**\n", []Part{{Text: "# done\n**x**"}}},
		"a diff":                {"Two change.\n\n````diff\n-a\n+```\n````\nafter", []Part{{Text: "Two change."}, {Kind: DiffPart, Text: "-a\n+```"}, {Text: "after"}}},
		"code is text":          {"```yaml\n| a |\n|---|\n```", []Part{{Text: "| a |\n|---|"}}},
		"a diff that is cut":    {"```diff\n-a", []Part{{Kind: DiffPart, Text: "-a"}}},
		"not a fence":           {"```diff ` x\ny", []Part{{Text: "```diff ` x\ny"}}},
		"a table":               {"| object | |\n|---|---|\n| a \\| b | 1/1 | more |\n| c\n\nx", []Part{{Kind: TablePart, Text: "| object | |\n|---|---|\n| a \\| b | 1/1 | more |\n| c", Rows: [][]string{{"object", ""}, {"a | b", "1/1"}, {"c", ""}}}, {Text: "x"}}},
		"bars are not a table":  {"| a |\n| b |", []Part{{Text: "| a |\n| b |"}}},
		"too wide to be one":    {strings.Repeat("|", 20) + "\n|-|", []Part{{Text: strings.Repeat("|", 20) + "\n|-|"}}},
		"an empty diff is none": {"```diff\n```", nil},
	} {
		if got := Document(c.md); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v", name, got)
		}
	}
}

func TestColumnsStandBelowEachOther(t *testing.T) {
	table := Document("| object | |\n|---|---|\n| Deployment shöp | 1/1 pods |\n| " + strings.Repeat("x", 100) + " | there |")
	want := []string{"object", "Deployment shöp" + strings.Repeat(" ", 47) + "1/1 pods", strings.Repeat("x", 100) + "  there"}
	if got := table[0].Lines(); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}
