package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// args are the arguments of a Web API call: strings from a form, any JSON from a JSON body.
type args map[string]any

const maxBody = 1 << 20

// readArgs reads the arguments where the original looks for them: the query, a form,
// or, for the methods that take it, a JSON body.
func readArgs(r *http.Request, takesJSON bool) (args, error) {
	r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	a := args{}
	if kind == "application/json" {
		if !takesJSON {
			return a, nil // such a body is ignored by the original, silently
		}
		err := json.NewDecoder(r.Body).Decode(&a)
		if err != nil && !errors.Is(err, io.EOF) { // no body is no arguments
			return nil, refuse("invalid_json")
		}
		if a == nil { // null
			a = args{}
		}
		return a, nil
	}
	if err := parseForm(r, kind); err != nil {
		return nil, refuse("invalid_form_data")
	}
	for key, values := range r.Form {
		a[key] = values[0]
	}
	return a, nil
}

func parseForm(r *http.Request, kind string) error {
	if kind == "multipart/form-data" {
		return r.ParseMultipartForm(maxBody)
	}
	return r.ParseForm()
}

func (a args) str(key string) string {
	switch v := a[key].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (a args) has(key string) bool { v, ok := a[key]; return ok && v != nil }

// yes reads a boolean; absent gives otherwise.
func (a args) yes(key string, otherwise bool) bool {
	switch strings.ToLower(a.str(key)) {
	case "1", "true", "t":
		return true
	case "0", "false", "f":
		return false
	}
	return otherwise
}

func (a args) number(key string, otherwise int) int {
	n, err := strconv.Atoi(a.str(key))
	if err != nil {
		return otherwise
	}
	return n
}

// decode reads an argument that is JSON, either nested or as a string.
func (a args) decode(key string, into any) error {
	raw := []byte(a.str(key))
	if _, isString := a[key].(string); !isString {
		raw, _ = json.Marshal(a[key])
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("argument %s: %w", key, err)
	}
	return nil
}

// need refuses a call that lacks an argument, in the words of the original.
func (a args) need(keys ...string) error {
	var missing []string
	for _, key := range keys {
		if a.str(key) == "" && !isStructured(a[key]) {
			missing = append(missing, "missing required field: "+key)
		}
	}
	if missing == nil {
		return nil
	}
	return &refusal{code: "invalid_arguments", messages: missing}
}

func isStructured(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}
