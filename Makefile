# `make` lists the targets. Everything runs from the top of the repository, and needs Go, git and make; the rest is
# installed by `make install`, which `make test` begins with.

GOLANGCI_LINT_VERSION := v2.15.0
FUZZ_TIME ?= 5s
CHAOS_TIME ?= 10m
SCHEDULES ?= 1000000
# Go modules of their own.
MODULES := broker/faults transport/websocket/differential docs/benchmarks

BIN := $(CURDIR)/.bin
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
NODE_MODULES := js-client/node_modules/.package-lock.json
STEP := @.ci/step

# A Node of our own, if .ci/install had to bring one, goes before that of the distribution.
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# One step at a time: its output stays in one piece, and the first failure is the last thing to be read.
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: test
test: install fmt-check vet lint go-test sim-test js-test e2e ## run all tests; installs what they need
	@printf '\nall tests passed\n'

.PHONY: install
install: ## install what this machine lacks: a C compiler, Node, Chromium, Redis, npm modules
	$(STEP) install .ci/install
	@$(MAKE) --silent $(NODE_MODULES)

.PHONY: fmt-check
fmt-check: ## fail if a Go file isn't formatted
	$(STEP) 'gofmt' .ci/fmt-check

.PHONY: vet
vet: ## run go vet
	$(STEP) 'go vet' go vet ./...
	@for module in $(MODULES); do .ci/step "go vet in $$module" go -C $$module vet ./... || exit; done

.PHONY: lint
lint: $(GOLANGCI_LINT) ## run the Go linters (.golangci.yml)
	$(STEP) 'golangci-lint' $(GOLANGCI_LINT) run ./...
	@for module in $(MODULES); do (cd $$module && $(CURDIR)/.ci/step "golangci-lint in $$module" $(GOLANGCI_LINT) run ./...) || exit; done

.PHONY: go-test
go-test: ## run the Go tests with the race detector
	$(STEP) 'go test -race' go test -race -timeout 10m ./...
	@for module in $(MODULES); do .ci/step "go test -race in $$module" go -C $$module test -race -timeout 10m ./... || exit; done

.PHONY: js-test
js-test: $(NODE_MODULES) ## check the browser client: lint, types, unit tests, freshness of the bundle
	$(STEP) 'js lint' npm --prefix js-client run --silent lint
	$(STEP) 'js types' npm --prefix js-client run --silent check
	$(STEP) 'js unit tests' npm --prefix js-client run --silent test
	$(STEP) 'js bundle' .ci/bundle-check

.PHONY: e2e
e2e: $(NODE_MODULES) ## run the end-to-end tests in Chromium
	$(STEP) 'end-to-end tests in Chromium' sh -c 'cd js-client && node --test --test-reporter=spec e2e/*.test.mjs'

.PHONY: sim-test
sim-test: ## run 20,000 schedules of the simulation
	$(STEP) '20,000 simulated schedules' go test -count=1 -run '^TestSimulation$$' ./broker/redisbroker -sim.schedules=20000

.PHONY: sim
sim: ## run SCHEDULES (1,000,000) schedules of the simulation
	go test -count=1 -timeout 12h -run '^TestSimulation$$' ./broker/redisbroker -sim.seed=0 -sim.schedules=$(SCHEDULES)

.PHONY: mutants
mutants: ## put known mistakes into the code, one by one: the simulation must find each
	go run ./broker/redisbroker/mutants

.PHONY: chaos
chaos: ## instances, Redis and clients under random faults for CHAOS_TIME (10m)
	cd broker/faults && go run ./chaos -for $(CHAOS_TIME)

.PHONY: bench
bench: ## measure Tidewire beside other servers (about 40 minutes), and write docs/benchmarks/README.md
	cd docs/benchmarks && go run .

.PHONY: fuzz
fuzz: ## fuzz each fuzz target for FUZZ_TIME (5s)
	@.ci/fuzz $(FUZZ_TIME)

.PHONY: build-js
build-js: $(NODE_MODULES) ## build the browser client into js-client/dist
	npm --prefix js-client run --silent build

.PHONY: fmt
fmt: $(NODE_MODULES) ## format all Go, TypeScript and JavaScript
	@.ci/fmt-check -w
	cd js-client && npx biome check --write .

.PHONY: clean
clean: ## remove the tools and npm modules that were installed here
	rm -rf .bin js-client/node_modules

$(GOLANGCI_LINT):
	$(STEP) 'golangci-lint $(GOLANGCI_LINT_VERSION): build (once, some minutes)' env CGO_ENABLED=0 GOBIN=$(@D) \
		go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(NODE_MODULES): js-client/package.json js-client/package-lock.json
	$(STEP) 'npm ci' npm --prefix js-client ci --no-audit --no-fund --loglevel=error
	@touch $@
