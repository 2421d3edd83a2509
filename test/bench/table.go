package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// table is what was measured so far.
type table struct {
	Notes    []string  `json:"notes"`
	Measures []*figure `json:"measures"`
}

// figure is one thing that was measured, for everybody it was measured of.
type figure struct {
	Name    string         `json:"name"`
	Unit    string         `json:"unit"`
	Results []*result      `json:"results"`
	Targets []targetResult `json:"targets,omitempty"`
}

type result struct {
	Contestant string    `json:"contestant"`
	Median     float64   `json:"median"`
	Rounds     []float64 `json:"rounds"`
}

// target is what ours is to reach: a bound for its figure or, with than, for
// its figure divided by that contestant's.
type target struct {
	Than    string  `json:"than,omitempty"`
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
}

type targetResult struct {
	target
	Value float64 `json:"value"`
	Met   bool    `json:"met"`
}

// ours is the contestant that targets speak of.
const ours = "shipmate"

// figure returns the figure of this name, made when first asked for.
func (t *table) figure(name, unit string, targets ...target) *figure {
	for _, f := range t.Measures {
		if f.Name == name {
			return f
		}
	}
	f := &figure{Name: name, Unit: unit}
	for _, g := range targets {
		f.Targets = append(f.Targets, targetResult{target: g, Value: math.NaN()})
	}
	t.Measures = append(t.Measures, f)
	return f
}

func (t *table) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// add takes the figure of one round.
func (f *figure) add(contestant string, v float64) {
	r := f.of(contestant)
	if r == nil {
		r = &result{Contestant: contestant}
		f.Results = append(f.Results, r)
	}
	r.Rounds = append(r.Rounds, v)
	sorted := slices.Sorted(slices.Values(r.Rounds))
	r.Median = (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func (f *figure) of(contestant string) *result {
	for _, r := range f.Results {
		if r.Contestant == contestant {
			return r
		}
	}
	return nil
}

// judge compares ours with its targets, as far as what they need was measured.
func (f *figure) judge() []targetResult {
	var judged []targetResult
	for _, t := range f.Targets {
		mine := f.of(ours)
		if mine == nil {
			continue
		}
		t.Value = mine.Median
		if t.Than != "" {
			other := f.of(t.Than)
			if other == nil {
				continue
			}
			t.Value /= other.Median
		}
		t.Met = t.Value >= t.AtLeast
		if t.AtMost != 0 {
			t.Met = t.Value <= t.AtMost
		}
		judged = append(judged, t)
	}
	return judged
}

func (t *table) writeJSON(w io.Writer) error {
	for _, f := range t.Measures {
		f.Targets = f.judge()
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(t)
}

func (t *table) write(w io.Writer) {
	for _, n := range t.Notes {
		fmt.Fprintln(w, n)
	}
	for _, f := range t.Measures {
		if len(f.Results) > 0 {
			f.write(w)
		}
	}
}

func (f *figure) write(w io.Writer) {
	fmt.Fprintf(w, "\n%-72s %12s   %-23s %s\n", f.Name+", "+f.Unit, "median", "lowest..highest", "shipmate / this")
	mine := f.of(ours)
	for _, r := range f.Results {
		ratio := ""
		if mine != nil && r != mine && r.Median != 0 {
			ratio = fmt.Sprintf("%.2f", mine.Median/r.Median)
		}
		spread := number(slices.Min(r.Rounds)) + ".." + number(slices.Max(r.Rounds))
		fmt.Fprintf(w, "  %-70s %12s   %-23s %s\n", r.Contestant, number(r.Median), spread, ratio)
	}
	for _, t := range f.judge() {
		verdict := "missed"
		if t.Met {
			verdict = "met"
		}
		fmt.Fprintf(w, "  target %-63s %12s   %s\n", t.target, number(t.Value), verdict)
	}
}

func (t target) String() string {
	s, v := "at least ", t.AtLeast
	if t.AtMost > 0 {
		s, v = "at most ", t.AtMost
	}
	s += number(v)
	if t.Than != "" {
		s += " times " + t.Than
	}
	return s
}

// number writes three significant digits or more, with commas.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return commas(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	s := strconv.FormatFloat(v, 'f', 3, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

func commas(s string) string {
	if len(s) <= 3 {
		return s
	}
	return commas(s[:len(s)-3]) + "," + s[len(s)-3:]
}
