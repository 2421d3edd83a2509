package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Values are parameters by name, in plain types: string, bool, int64, float64,
// nil, []any and map[string]any. Read back from JSON, a whole number is an int64
// again, digit for digit; encoding/json alone makes a float64 of it.
type Values map[string]any

// UnmarshalJSON reads an object.
func (v *Values) UnmarshalJSON(b []byte) error {
	var m map[string]any
	if err := decodeNumbers(b, &m); err != nil {
		return err
	}
	*v, _ = native(m).(map[string]any)
	if m == nil {
		*v = nil
	}
	return nil
}

// UnmarshalJSON reads a declaration, its default as exactly as [Values] are read.
func (d *Param) UnmarshalJSON(b []byte) error {
	type fields Param
	if err := decodeNumbers(b, (*fields)(d)); err != nil {
		return err
	}
	d.Default = native(d.Default)
	return nil
}

// decodeNumbers is json.Unmarshal that keeps the digits of numbers.
func decodeNumbers(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(into)
}

// native brings a value into the types that [Values] have, whether it comes from
// YAML, from Go, from CEL or from JSON.
func native(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case json.Number:
		return nativeNumber(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	case []string:
		items := make([]any, len(v))
		for i, s := range v {
			items[i] = s
		}
		return items
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = native(item)
		}
		return items
	case map[string]string:
		m := make(map[string]any, len(v))
		for k, s := range v {
			m[k] = s
		}
		return m
	case Values:
		return native(map[string]any(v))
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			m[k] = native(item)
		}
		return m
	}
	return v
}

// nativeNumber is the value of a number in JSON. One that no type of ours holds
// stays as it is written, so that nothing is lost.
func nativeNumber(n json.Number) any {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil && strings.ContainsAny(n.String(), ".eE") {
		return native(f)
	}
	return n.String()
}

// shortestNumber is how a number with a fraction is written without an exponent
// and without digits that say nothing.
func shortestNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// exactFloat is the same whole number as a float64, if there is one.
func exactFloat(i int64) (float64, error) {
	f := float64(i)
	if f >= math.MaxInt64 || int64(f) != i {
		return 0, fmt.Errorf("%d has more digits than a decimal number holds", i)
	}
	return f, nil
}
