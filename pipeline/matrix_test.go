package pipeline

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestAMatrixMakesSteps(t *testing.T) {
	c, err := parse(t, `
pipelines:
  checks:
    steps:
      - {name: first, run: make}
      - name: test
        run: make test
        matrix: {java: ["17", 1.10], os: [Linux, win_11]}
      - {name: after, run: make}
      - {name: one, run: make, needs: [test-17-linux, first]}
      - {name: all, run: make, needs: [test-1-10-linux, test]}
      - {name: again, run: make, matrix: {n: [1, true]}}
      - {name: image, uses: http.request, with: {url: "https://x.example/${{ matrix.arch }}"}, if: "matrix['arch'] != 'arm'", matrix: {arch: [amd64, arm]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range c.Pipelines[0].Steps {
		got = append(got, fmt.Sprintf("%s %v needs %v", s.Name, s.Matrix, s.Needs))
	}
	all := "[test-17-linux test-17-win_11 test-1-10-linux test-1-10-win_11]"
	want := []string{
		"first map[] needs []",
		"test-17-linux map[java:17 os:Linux] needs [first]",
		"test-17-win_11 map[java:17 os:win_11] needs [first]",
		"test-1-10-linux map[java:1.10 os:Linux] needs [first]",
		"test-1-10-win_11 map[java:1.10 os:win_11] needs [first]",
		"after map[] needs " + all,
		"one map[] needs [test-17-linux first]",
		"all map[] needs [test-1-10-linux test-17-linux test-17-win_11 test-1-10-win_11]",
		"again-1 map[n:1] needs [all]",
		"again-true map[n:true] needs [all]",
		"image-amd64 map[arch:amd64] needs [again-1 again-true]",
		"image-arm map[arch:arm] needs [again-1 again-true]",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	image, _ := c.Pipelines[0].Step("image-arm")
	v := Vars{Matrix: image.Matrix}
	if yes, err := v.Enabled(image.If); yes || err != nil {
		t.Errorf("its condition is %t, %v", yes, err)
	}
	if with, err := v.Interpolate(image.With); err != nil || with["url"] != "https://x.example/arm" {
		t.Errorf("it is called with %v, %v", with, err)
	}
}

func TestAMatrixOfTwentyFits(t *testing.T) {
	src := "pipelines:\n  a:\n    steps:\n"
	for i := range 16 {
		src += fmt.Sprintf("      - {name: s%d, run: x, matrix: {a: [1, 2, 3, 4], b: [1, 2, 3, 4, 5]}}\n", i)
	}
	_, err := parse(t, src)
	if err == nil || !strings.Contains(err.Error(), "has 320 steps with those of its matrices; at most 300 are allowed") {
		t.Errorf("320 steps: %v", err)
	}
	if c, err := parse(t, strings.Join(strings.Split(src, "\n")[:18], "\n")); err != nil || len(c.Pipelines[0].Steps) != 300 {
		t.Errorf("300 steps: %v", err)
	}
}
