package pipeline

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseParams(t *testing.T) {
	p := mustParse(t, `
pipelines:
  deploy:
    params:
      replicas: {type: int, default: 3, min: 1, max: 20}
      tag: {}
      colour: {enum: [blue, "deep green"]}
      dry: {type: bool}
      ticket: {pattern: "[A-Z]+-[0-9]+|none"}
    steps: [{name: a, run: x}]
  strict:
    params: {ticket: {required: true}}
    steps: [{name: a, run: x}]
  plain:
    steps: [{name: a, run: x}]
`)
	for _, tt := range []struct {
		name, pipeline string
		given          map[string]string
		want           map[string]any
		code, message  string
	}{
		{name: "defaults are filled in, others are left out", pipeline: "deploy", want: map[string]any{"replicas": int64(3)}},
		{name: "values have their types", pipeline: "deploy",
			given: map[string]string{"replicas": "20", "tag": "v1.2.3", "dry": "true", "colour": "deep green", "ticket": "SHOP-1"},
			want:  map[string]any{"replicas": int64(20), "tag": "v1.2.3", "dry": true, "colour": "deep green", "ticket": "SHOP-1"}},
		{name: "an unknown name is refused with the nearest", pipeline: "deploy", given: map[string]string{"replica": "3"},
			code: "unknown_param", message: `deploy has no parameter "replica". Did you mean replicas?`},
		{name: "an unknown name is refused with all there are", pipeline: "deploy", given: map[string]string{"zone": "3"},
			code: "unknown_param", message: `deploy has no parameter "zone". Name one of these: replicas, tag, colour, dry, ticket.`},
		{name: "a pipeline without parameters says so", pipeline: "plain", given: map[string]string{"zone": "3"},
			code: "unknown_param", message: `plain has no parameter "zone"; it takes none, so leave that out.`},
		{name: "a missing one is named", pipeline: "strict", code: "missing_param", message: "strict needs the parameter ticket. Add --param ticket=<string>."},
		{name: "too small", pipeline: "deploy", given: map[string]string{"replicas": "0"}, code: "bad_param", message: `The parameter replicas of deploy cannot be "0": it must be at least 1.`},
		{name: "too large", pipeline: "deploy", given: map[string]string{"replicas": "21"}, code: "bad_param", message: `The parameter replicas of deploy cannot be "21": it must be at most 20.`},
		{name: "no number", pipeline: "deploy", given: map[string]string{"replicas": "3x"}, code: "bad_param", message: `The parameter replicas of deploy cannot be "3x": it must be a whole number.`},
		{name: "an octal number", pipeline: "deploy", given: map[string]string{"replicas": "010"}, code: "bad_param"},
		{name: "a number beyond int64", pipeline: "deploy", given: map[string]string{"replicas": "99999999999999999999"}, code: "bad_param"},
		{name: "no truth value", pipeline: "deploy", given: map[string]string{"dry": "yes"}, code: "bad_param", message: `The parameter dry of deploy cannot be "yes": it must be true or false.`},
		{name: "none of the words", pipeline: "deploy", given: map[string]string{"colour": "bleu"}, code: "bad_param", message: `The parameter colour of deploy cannot be "bleu": it must be "blue" or "deep green". Did you mean blue?`},
		{name: "the pattern describes the whole text", pipeline: "deploy", given: map[string]string{"ticket": "SHOP-1; id"}, code: "bad_param", message: `The parameter ticket of deploy cannot be "SHOP-1; id": it must match [A-Z]+-[0-9]+|none.`},
		{name: "the pattern's alternatives too", pipeline: "deploy", given: map[string]string{"ticket": "x none"}, code: "bad_param"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pl, _ := p.Pipeline(tt.pipeline)
			got, err := pl.ParseParams(tt.given)
			if Code(err) != tt.code || tt.message != "" && err.Error() != tt.message {
				t.Fatalf("got %q %v, want %q %s", Code(err), err, tt.code, tt.message)
			}
			if tt.code == "" && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}

// What a shell, a flag parser or a path would read as more than a text never
// gets in where the pipeline has not allowed it.
func TestParamsAreSafeByDefault(t *testing.T) {
	p := &Pipeline{Name: "deploy", Params: []Param{{Name: "tag", Type: "string"}, {Name: "free", Type: "string", Pattern: "(?s).*"}}}
	for _, value := range []string{"poc;id;false;#", "a&&id", "a$(id)b", "a`id`b", "a|id", "a>/tmp/pwned", "a b", "a\nid", "a$HOME", "-chdir", "~root", ".hidden", "../evil",
		`zzz";echo${IFS}"hello";#`, "", "--upload-pack=touch", "a\x00", "é", "a=b", "${{ sha }}", strings.Repeat("a", 64)} {
		if got, err := p.ParseParams(map[string]string{"tag": value}); Code(err) != "bad_param" {
			t.Errorf("%q is taken: %v", value, got)
		}
	}
	for _, value := range []string{"a\x00b", "a\nb", "a\u202eb", "a\xffb", "a\u200bb", strings.Repeat("a", 1025)} {
		if got, err := p.ParseParams(map[string]string{"free": value}); Code(err) != "bad_param" {
			t.Errorf("%q is taken: %v", value, got)
		}
	}
	for _, value := range []string{"v1.2.3", "0123456", "feature_x-1", "A"} {
		if _, err := p.ParseParams(map[string]string{"tag": value}); err != nil {
			t.Errorf("%q is refused: %v", value, err)
		}
	}
}

func TestCheckWith(t *testing.T) {
	five := int64(5)
	u := Uses{Name: "x.do", Params: []Param{
		{Name: "text", Type: "string", Required: true}, {Name: "word", Type: "string", Enum: []string{"a", "b"}}, {Name: "id", Type: "string", Pattern: "[0-9]+"},
		{Name: "count", Type: "int", Max: &five, Default: 2}, {Name: "share", Type: "number"}, {Name: "on", Type: "bool"}, {Name: "for", Type: "duration"},
		{Name: "files", Type: "list"}, {Name: "vars", Type: "map"}, {Name: "who", Type: "people"}, {Name: "any", Type: "any"},
		{Name: "steps", Type: "list", Items: "map"},
	}}
	for _, tt := range []struct {
		name string
		with map[string]any
		want map[string]any
		err  string
	}{
		{name: "defaults are filled in", with: map[string]any{"text": "x"}, want: map[string]any{"text": "x", "count": int64(2)}},
		{name: "numbers that were JSON become whole again", with: map[string]any{"text": "x", "count": 4.0, "any": []any{1.0, 1.5}},
			want: map[string]any{"text": "x", "count": int64(4), "any": []any{int64(1), 1.5}}},
		{name: "a number may be whole", with: map[string]any{"text": "x", "share": 1, "count": 1}, want: map[string]any{"text": "x", "share": 1.0, "count": int64(1)}},
		{name: "all types", with: map[string]any{"text": "x", "on": true, "for": "5m", "files": []string{"a"}, "vars": map[string]string{"a": "b"}, "who": []any{"team:a"}, "count": 1},
			want: map[string]any{"text": "x", "on": true, "for": "5m", "files": []any{"a"}, "vars": map[string]any{"a": "b"}, "who": []any{"team:a"}, "count": int64(1)}},
		{name: "expressions are left alone", with: map[string]any{"text": "x", "count": "${{ params.n }}"}, want: map[string]any{"text": "x", "count": "${{ params.n }}"}},
		{name: "missing", err: "x.do needs the parameter text."},
		{name: "unknown", with: map[string]any{"txt": "x"}, err: `x.do has no parameter "txt". Did you mean text?`},
		{name: "not text", with: map[string]any{"text": 3}, err: "The parameter text of x.do is wrong: it must be text; put it in quotes."},
		{name: "not one of the words", with: map[string]any{"text": "x", "word": "c"}, err: `The parameter word of x.do is wrong: it must be "a" or "b". Did you mean a?`},
		{name: "not of the pattern", with: map[string]any{"text": "x", "id": "12a"}, err: `The parameter id of x.do is wrong: "12a" does not match [0-9]+.`},
		{name: "too large", with: map[string]any{"text": "x", "count": 6}, err: "The parameter count of x.do is wrong: it must be at most 5."},
		{name: "not whole", with: map[string]any{"text": "x", "count": 1.5}, err: "The parameter count of x.do is wrong: it must be a whole number."},
		{name: "not a number", with: map[string]any{"text": "x", "share": "1"}, err: "The parameter share of x.do is wrong: it must be a number."},
		{name: "no duration", with: map[string]any{"text": "x", "for": "2 days"}, err: `The parameter for of x.do is wrong: "2 days" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w. Did you mean 2d?`},
		{name: "no time at all", with: map[string]any{"text": "x", "for": "0s"}, err: "The parameter for of x.do is wrong: it must be longer than 0s."},
		{name: "not a list", with: map[string]any{"text": "x", "files": "a"}, err: "The parameter files of x.do is wrong: it must be a list."},
		{name: "a list of something else", with: map[string]any{"text": "x", "files": []any{1}}, err: "The parameter files of x.do is wrong: its items must be texts; put them in quotes."},
		{name: "a list of mappings", with: map[string]any{"text": "x", "steps": []any{map[string]any{"weight": 10}}}, want: map[string]any{"text": "x", "count": int64(2), "steps": []any{map[string]any{"weight": int64(10)}}}},
		{name: "a list of no mappings", with: map[string]any{"text": "x", "steps": []any{"a"}}, err: "The parameter steps of x.do is wrong: its items must be mappings."},
		{name: "nobody", with: map[string]any{"text": "x", "who": []any{"team:.*"}}, err: `The parameter who of x.do is wrong: "team:.*" is nobody: write team:slug or user:login, without patterns.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := u.CheckWith(tt.with)
			switch {
			case tt.err == "" && (err != nil || !reflect.DeepEqual(got, tt.want)):
				t.Errorf("got %#v, %v; want %#v", got, err, tt.want)
			case tt.err != "" && (err == nil || err.Error() != tt.err):
				t.Errorf("got %v, want %s", err, tt.err)
			}
		})
	}
}
