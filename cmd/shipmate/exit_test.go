package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

var exitRow = regexp.MustCompile(`(?m)^\| ([0-9]+) \| (.*) \|$`)

// The table of the manual is the program's own.
func TestTheManualHasTheExitCodes(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[int]string{}
	for _, row := range exitRow.FindAllStringSubmatch(string(text), -1) {
		code, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		documented[code] = row[2]
	}
	if fmt.Sprint(documented) != fmt.Sprint(exitCodes) {
		t.Errorf("the manual says\n%v\nthe program\n%v", documented, exitCodes)
	}
}

func TestExitCodeOfAnError(t *testing.T) {
	plain := errors.New("x")
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, exitDone}, {plain, exitFailed}, {&usageError{plain}, exitUsage}, {fmt.Errorf("y: %w", &usageError{plain}), exitUsage},
		{&exitError{exitNobodyToAsk, plain}, exitNobodyToAsk}, {errors.Join(&exitError{exitNobodyToAsk, plain}, nil), exitNobodyToAsk},
	} {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

// A wrong password of Redis is a wrong setting; that nothing answers is not.
func TestAWrongPasswordOfRedisIsAWrongSetting(t *testing.T) {
	server := redistest.Start(t)
	for url, code := range map[string]int{"redis://nobody:hunter2@" + server.Addr: exitUsage, "redis://127.0.0.1:1?max_retries=-1": exitFailed} {
		cfg, err := loadConfig("", environ{"SHIPMATE_REDIS_URL": url, "SHIPMATE_DATA_DIR": t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if err := serve(t.Context(), cfg, slog.New(slog.DiscardHandler)); exitCode(err) != code || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: exit code %d, want %d: %v", url, exitCode(err), code, err)
		}
	}
}
