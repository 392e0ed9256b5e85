# The same targets for people and for CI. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := $(CURDIR)/.bin
export PATH := $(BIN):$(PATH)

BUF_VERSION := v1.75.0
GOLANGCI_VERSION := v2.15.0

# Every module of the repository; the tools' own is not part of it.
MODULES := $(patsubst ./%,%,$(sort $(patsubst %/go.mod,%,$(shell find . -name go.mod -not -path './.*' -not -path '*/node_modules/*'))))
# The modules whose tests start real engines and servers: `make e2e` runs them.
E2E_MODULES := $(filter-out e2e/cerbos,$(filter e2e e2e/%,$(MODULES)))
TEST_MODULES := $(filter-out $(E2E_MODULES) e2e/cerbos,$(MODULES))
# The modules that users import: their dependencies' licences are checked.
LIBRARY_MODULES := $(filter-out e2e e2e/% examples examples/%,$(MODULES))

# Some tests read what is outside their module, which the test cache does not see.
TESTFLAGS ?= -count 1
TEST_TIMEOUT ?= 10m
FUZZTIME ?= 10s
BENCHTIME ?= 1s
BENCHCOUNT ?= 1
BENCHSCALE ?= 1
SOAKTIME ?= 10m
LICENSES := Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT
# MIT No Attribution, which go-licenses doesn't know.
MIT0 := github.com/segmentio/asm

# The race detector needs a C compiler.
HAS_CC := $(shell command -v "$$(go env CC)" >/dev/null 2>&1 && echo yes)
RACE := $(if $(HAS_CC),-race)

# $(call each,MODULES,COMMAND) runs COMMAND in the folder of each module, to the
# last one, and fails if any failed.
define each
@failed=""; for m in $(1); do \
	echo "--- $$m: $(strip $(2))"; \
	(cd "$$m" && $(2)) || failed="$$failed $$m"; \
done; \
if [ -n "$$failed" ]; then echo "failed in:$$failed" >&2; exit 1; fi
endef

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | expand -t 16

.PHONY: demo
demo: ## the main job on real parts in one process (ARGS=--audit shows why, ARGS=--serve stays)
	@cd examples/quickstart && go run . $(ARGS)

.PHONY: test
test: ## every module's tests, with the race detector
	@$(if $(HAS_CC),,echo "no C compiler ($$(go env CC)) found: the tests run without the race detector")
	$(call each,$(TEST_MODULES),go test $(RACE) -timeout $(TEST_TIMEOUT) $(TESTFLAGS) ./...)

.PHONY: e2e
e2e: $(BIN)/.tools ## the whole chain on real engines and servers
	$(call each,$(E2E_MODULES),go test $(RACE) -timeout $(TEST_TIMEOUT) $(TESTFLAGS) ./...)

.PHONY: e2ecerbos
e2ecerbos: ## the suites of permissions and attributes on Cerbos, whose server takes minutes to build
	@cd e2e/cerbos && go test $(RACE) -timeout 30m $(TESTFLAGS) ./...

.PHONY: bench
bench: ## the performance goals, each with its figure and verdict (BENCHJSON=file, BENCHSCALE=0.1)
	@cd e2e/bench && go run . -scale $(BENCHSCALE) $(if $(BENCHJSON),-json $(abspath $(BENCHJSON)))

.PHONY: benchgate
benchgate: ## the part of the goals that CI holds: allocations, counts and wide ratios
	@cd e2e/bench && go run . -gate

.PHONY: microbench
microbench: ## every module's benchmarks, as go test prints them
	$(call each,$(TEST_MODULES) $(E2E_MODULES),go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -count $(BENCHCOUNT) -timeout 60m ./...)

.PHONY: fuzz
fuzz: ## a short fuzz of every target (FUZZTIME=10s each)
	@failed=""; for m in $(MODULES); do \
		for p in $$(cd $$m && go list ./...); do \
			for f in $$(cd $$m && go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
				echo "--- $$p $$f"; \
				(cd $$m && go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p) || failed="$$failed $$p.$$f"; \
			done; \
		done; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

.PHONY: soak
soak: ## the long run under faults (SOAKTIME=10m)
	SOAKTIME=$(SOAKTIME) go test $(RACE) -run '^TestSoak$$' -count 1 -v -timeout 60m ./interceptor
	cd e2e && SOAKTIME=$(SOAKTIME) go test $(RACE) -run '^TestSoak$$' -count 1 -v -timeout 60m .

.PHONY: lint
lint: $(BIN)/.tools ## golangci-lint, buf lint, licences of dependencies, make rules
	buf lint
	$(call each,$(MODULES),golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yaml ./...)
	$(call each,$(LIBRARY_MODULES),go-licenses check --include_tests=false --ignore github.com/usher-auth/usher --ignore $(MIT0) --allowed_licenses=$(LICENSES) ./...)
	@$(MAKE) rules

# How the server of the quickstart is configured.
QUICKSTART := --subject-service 'service:{$$client_id}' --subject-user 'user:{$$sub}' examples/quickstart/proto

.PHONY: $(BIN)/usher
$(BIN)/usher:
	@mkdir -p $(BIN)
	@cd authz/cmd && go build -o $@ ./usher

.PHONY: rules
rules: $(BIN)/usher ## fail if a rule of the examples is mistaken, or looser than its last reviewed state
	usher lint --schema examples/quickstart/demo/engine/model.fga $(QUICKSTART)
	usher lint authz/internal/testproto
	usher breaking --against .ci/rules/quickstart.lock.json --schema examples/quickstart/demo/engine/model.fga examples/quickstart/proto
	usher breaking --against .ci/rules/testproto.lock.json authz/internal/testproto

.PHONY: lockrules
lockrules: $(BIN)/usher ## take the rules of the examples as reviewed: their diff is what is reviewed
	@mkdir -p .ci/rules
	usher lock -o .ci/rules/quickstart.lock.json $(QUICKSTART)
	usher lock -o .ci/rules/testproto.lock.json authz/internal/testproto

.PHONY: generate
generate: $(BIN)/.tools ## regenerate what is generated
	buf generate
	@for t in $$(git ls-files '*/buf.gen.yaml'); do echo "buf generate --template $$t"; buf generate --template $$t; done
	$(call each,$(MODULES),go generate ./...)
	@$(MAKE) api

.PHONY: api
api: ## list the public API in .ci/api.txt, so that a change of it is seen
	cd .tools && go run ./api .. >../.ci/api.txt.new && mv ../.ci/api.txt.new ../.ci/api.txt

.PHONY: checkgenerate
checkgenerate: ## fail if what is committed is not what generate makes
	@$(MAKE) generate
	@git diff --exit-code -- . || { echo "generated files are not current: run make generate and commit" >&2; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard)" || { git ls-files --others --exclude-standard; echo "make generate makes files that are not committed" >&2; exit 1; }

.PHONY: tidy
tidy: ## go mod tidy and format, in every module
	$(call each,$(MODULES) .tools,go mod tidy)
	gofmt -w $$(git ls-files '*.go')

.PHONY: checktidy
checktidy: ## fail if a go.mod or go.sum is not tidy, or a file not formatted
	$(call each,$(MODULES) .tools,go mod tidy -diff)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "$$unformatted"; echo "gofmt would change these files: run make tidy" >&2; exit 1; }

.PHONY: checkdeps
checkdeps: ## fail if the root module's dependencies are not those of .allowed-dependencies
	@.ci/checkdeps

.PHONY: ci
ci: ## what CI runs
	@.ci/run

# The tools are pinned: the shared ones in .tools/go.mod, and buf and
# golangci-lint by themselves, because their dependencies conflict with those.
$(BIN)/.tools: .tools/go.mod .tools/go.sum Makefile
	@mkdir -p $(BIN)
	cd .tools && GOBIN=$(BIN) go install tool
	GOBIN=$(BIN) go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@touch $@
