package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// hasBody is for endpoints whose body is optional; Go clients send null for nil.
func (c *call) hasBody() bool {
	text := strings.TrimSpace(string(c.body))
	return text != "" && text != "null"
}

// decode reads the JSON body; what is wrong with it is said as GitHub says it.
func (c *call) decode(v any) error {
	if !json.Valid(c.body) {
		return badRequest("Problems parsing JSON")
	}
	if !strings.HasPrefix(strings.TrimSpace(string(c.body)), "{") {
		return badRequest("Body should be a JSON object")
	}
	err := json.Unmarshal(c.body, v)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		path := strings.ReplaceAll(wrongType.Field, ".", "/")
		return unprocessable("Invalid request.\n\nFor 'properties/%s', %s is not %s.", path, wrongType.Value, kindName(wrongType.Type.Kind().String()))
	}
	if err != nil {
		return unprocessable("Invalid request.\n\n%v", err)
	}
	return nil
}

func kindName(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "a boolean"
	case "slice":
		return "an array"
	case "struct", "map":
		return "an object"
	default:
		return "an integer"
	}
}

// required is the answer to a body that lacks fields, or nil.
func required(fields map[string]bool) error {
	var absent []string
	for _, name := range sortedKeys(fields) {
		if !fields[name] {
			absent = append(absent, fmt.Sprintf("%q", name))
		}
	}
	switch len(absent) {
	case 0:
		return nil
	case 1:
		return unprocessable("Invalid request.\n\n%s wasn't supplied.", absent[0])
	default:
		return unprocessable("Invalid request.\n\n%s weren't supplied.", strings.Join(absent, ", "))
	}
}

// number reads a path parameter that is an id; what is no number is not found.
func (c *call) number(name string) int64 {
	n, err := strconv.ParseInt(c.params[name], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// accepts tells whether the client asks for a media type such as "raw".
func (c *call) accepts(format string) bool {
	for _, accept := range c.r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			part, _, _ = strings.Cut(strings.TrimSpace(part), ";")
			part = strings.TrimSuffix(part, "+json")
			if strings.HasPrefix(part, "application/vnd.github.") && strings.HasSuffix(part, "."+format) {
				return true
			}
		}
	}
	return false
}

func (c *call) installation() (*installation, error) {
	inst := c.s.db.installation(c.number("installation"))
	if inst == nil {
		return nil, notFound()
	}
	return inst, nil
}

// actor is the account that the App acts as.
func (c *call) actor() *account { return c.s.db.own.bot }

// pageOf is the part of a list that the client asked for; the rest is linked
// in the Link header. Pages hold 30 items unless asked, at most 100.
func pageOf[T any](c *call, all []T) []T {
	size := atoi(c.query.Get("per_page"), 30)
	size = min(size, 100)
	number := atoi(c.query.Get("page"), 1)
	last := max(1, (len(all)+size-1)/size)
	var links []string
	link := func(rel string, page int) {
		links = append(links, fmt.Sprintf("<%s>; rel=%q", c.pageURL("page", strconv.Itoa(page)), rel))
	}
	if number > 1 {
		link("prev", number-1)
	}
	if number < last {
		link("next", number+1)
		link("last", last)
	}
	if number > 1 {
		link("first", 1)
	}
	if len(links) > 0 {
		c.header.Set("Link", strings.Join(links, ", "))
	}
	from := min((number-1)*size, len(all))
	to := min(from+size, len(all))
	return append([]T{}, all[from:to]...)
}

// cursorPage pages by the id of the last item seen, newest first.
func cursorPage[T any](c *call, all []T, param string, id func(T) int64) []T {
	size := min(atoi(c.query.Get("per_page"), 30), 100)
	if cursor := c.query.Get(param); cursor != "" {
		after, _ := strconv.ParseInt(strings.TrimPrefix(cursor, "v1_"), 10, 64)
		for len(all) > 0 && id(all[0]) >= after {
			all = all[1:]
		}
	}
	if len(all) > size {
		all = all[:size]
		next := "v1_" + strconv.FormatInt(id(all[size-1]), 10)
		c.header.Set("Link", fmt.Sprintf("<%s>; rel=\"next\"", c.pageURL(param, next)))
	}
	return append([]T{}, all...)
}

func (c *call) pageURL(param, value string) string {
	q := url.Values{}
	for k, v := range c.query {
		q[k] = v
	}
	q.Set(param, value)
	return c.s.base + c.r.URL.EscapedPath() + "?" + q.Encode()
}

func atoi(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// withoutSecrets is what of a header may be recorded.
func withoutSecrets(h http.Header) http.Header {
	out := h.Clone()
	out.Del("Authorization")
	out.Del("Cookie")
	return out
}
