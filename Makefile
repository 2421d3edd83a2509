# run: the playground. test: everything that has to pass. check: style and
# mistakes, without running anything. bench: figures beside their baselines.
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/shipmate/tools
GOLANGCI := $(TOOLS)/golangci-lint-v2.15.0/golangci-lint
DEADCODE := $(TOOLS)/deadcode-v0.48.0/deadcode
GOTESTSUM := $(TOOLS)/gotestsum-v1.13.0/gotestsum

.PHONY: run test test-kube check bench fuzz build crash lag sbom

run:
	go run ./cmd/playground

# The tag leaves out kustomize's Go plugins, which the bot never loads: where a
# program may load some, the linker keeps every function for them.
build:
	CGO_ENABLED=0 go build -tags kustomize_disable_go_plugin_support -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o bin/shipmate ./cmd/shipmate

# What the bot is made of, as CycloneDX.
sbom: build
	go run ./test/tools/sbom bin/shipmate > bin/shipmate.cdx.json

# The race detector needs a C compiler. A machine without one runs the tests without it.
RACE := $(shell command -v $$(go env CC) >/dev/null 2>&1 && [ "$$(go env CGO_ENABLED)" = 1 ] && echo -race)
test:
	@test -n "$(RACE)" || { echo "There is no C compiler, so data races are not looked for. To install one: apt-get install gcc libc6-dev"; test -z "$(CI)"; }
	go test $(RACE) -timeout 20m ./...
	go test $(RACE) -count 1 -tags crash -timeout 20m ./test/crash # it builds the bot itself, so that no cache knows whether it changed

# Against a real Kubernetes. Its servers are built from Go modules the first
# time, which takes some ten minutes; see test/kube. A test that fails is run
# once more by itself: a whole control plane shares the machine with the tests,
# and may stand still for longer than one of them waits. A mistake fails twice.
KUBE := $(GOTESTSUM) --format pkgname --rerun-fails=1 --rerun-fails-max-failures=4
test-kube: $(GOTESTSUM)
	$(KUBE) --packages "./test/kube ./integrations/kubernetes/... ./integrations/helm ./test/chart ./cmd/shipmate" -- -tags kube -p 1 -timeout 25m
	$(KUBE) --packages ./test/e2e -- -tags kube -timeout 20m -run 'TestKubernetes|TestScriptsInPods'

check: $(GOLANGCI) $(DEADCODE)
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	go vet ./...
	cd test/bench && go vet ./...
	$(GOLANGCI) run ./...
	@out="$$($(DEADCODE) -test -filter '^github.com/shipmate/shipmate/(bot|cmd|commands|integrations|pipeline)' ./...)"; test -z "$$out" || { echo "$$out"; exit 1; }

# The bot is killed at every point of every story, which takes most of an hour;
# "test" takes every thirtieth.
crash:
	go test -tags crash ./test/crash -timeout 90m -every 1 -v

# All conversations while GitHub answers as 5 seconds ago; "test" plays all with
# one second, and some with five.
LAG ?= 5s
lag:
	go test ./test -count 1 -timeout 15m -run '^TestConversationsWhileGitHubLags$$' -lag $(LAG)

bench:
	cd test/bench && go run .
	go test -tags kube -run '^$$' -bench . ./integrations/kubernetes # readiness and the switch back, beside what the API server needs for it
	SHIPMATE_JOBS=500 go test -tags kube -count 1 -run ManyJobs -v ./integrations/kubernetes/job

# Every fuzz target for a moment; FUZZTIME=10m make fuzz for longer.
FUZZTIME ?= 20s
fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r f; do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$f); do \
	    go test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f) || exit 1; done; done

$(GOLANGCI):
	GOBIN=$(dir $@) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

$(GOTESTSUM):
	GOBIN=$(dir $@) go install gotest.tools/gotestsum@v1.13.0

$(DEADCODE):
	GOBIN=$(dir $@) go install golang.org/x/tools/cmd/deadcode@v0.48.0
