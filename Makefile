# `make` lists the targets. Everything runs from the top of the repository, and needs Go, git and make; the rest is
# installed by `make install`, which `make test` begins with. `make test check` runs nothing twice.

GOLANGCI_LINT_VERSION := v2.15.0
FUZZ_TIME ?= 5s
CHAOS_TIME ?= 10m
NETWORKS_TIME ?= 180
SCHEDULES ?= 1000000
# Mutants of each package, and which.
MUTANTS ?= 50
SEED ?= 1
IMAGE ?= tidewire
# Go modules of their own.
MODULES := broker/faults transport/websocket/differential push/metrics/prometheus push/metrics/otel push/metrics/rules \
	docs/benchmarks examples/standalone/deploy .ci/tools

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
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: test
test: install go-test js-test smoke ## run the tests, in some minutes; installs what they need
	@printf '\nall tests passed\n'

.PHONY: check
check: test fmt-check vet clocks style lint js-check cross modules-test sim-test e2e ## run all that a change must pass: the tests, and more
	@printf '\nall checks passed\n'

.PHONY: soak
soak: promises states hostile networks mutants sim chaos fuzz ## look for what takes hours to find, on a machine with nothing else to do
	@printf '\nnothing was found\n'

.PHONY: install
install: ## install what this machine lacks: a C compiler, Node, browsers, Redis, HAProxy, nginx, npm modules
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

.PHONY: cross
cross: ## check that everything compiles for other systems: 32 bits, ARM, macOS, Windows, FreeBSD
	@.ci/cross

.PHONY: clocks
clocks: ## fail if a test depends on how fast the machine is
	$(STEP) 'tests without clocks' go -C .ci/tools run ./clocks "$(CURDIR)"

.PHONY: style
style: ## fail if a text breaks docs/STYLE.md: phrases, dead links, long lines and files
	$(STEP) 'style' go -C .ci/tools run ./style "$(CURDIR)"

# Many packages wait for times and servers, so there are more at a time than processors.
.PHONY: go-test
go-test: ## run the Go tests with the race detector
	$(STEP) 'go test -race' go test -race -p 4 -timeout 30m ./...

.PHONY: modules-test
modules-test: ## run the Go tests of the other modules with the race detector
	@for module in $(MODULES); do .ci/step "go test -race in $$module" go -C $$module test -race -timeout 30m ./... || exit; done

.PHONY: js-test
js-test: $(NODE_MODULES) ## run the unit tests of the browser client
	$(STEP) 'js unit tests' npm --prefix js-client run --silent test

.PHONY: js-check
js-check: $(NODE_MODULES) ## check the browser client: lint, types, freshness of the bundle, what the package exports
	$(STEP) 'js lint' npm --prefix js-client run --silent lint
	$(STEP) 'js types' npm --prefix js-client run --silent check
	$(STEP) 'js bundle' .ci/bundle-check
	$(STEP) 'js package' npm --prefix js-client run --silent pack-check

.PHONY: smoke
smoke: $(NODE_MODULES) ## try in Chromium that messages arrive, and are resumed
	$(STEP) 'smoke test in Chromium' sh -c 'cd js-client && BROWSERS=chromium node --test --test-reporter=spec \
		--test-name-pattern="messages arrive over a WebSocket|are cut again and again|a stock EventSource" e2e/client.test.mjs'

.PHONY: e2e
e2e: $(NODE_MODULES) ## run the end-to-end tests in Chromium and Firefox
	$(STEP) 'end-to-end tests in Chromium and Firefox' sh -c 'cd js-client && node --test --test-concurrency=2 --test-reporter=spec e2e/*.test.mjs'

.PHONY: sim-test
sim-test: ## run 20,000 schedules of the simulation
	$(STEP) '20,000 simulated schedules' go test -count=1 -run '^TestSimulation$$' ./broker/internal/follow/sim -sim.schedules=20000

.PHONY: sim
sim: ## run SCHEDULES (1,000,000) schedules of the simulation
	go test -count=1 -timeout 12h -run '^TestSimulation$$' ./broker/internal/follow/sim -sim.seed=0 -sim.schedules=$(SCHEDULES)

.PHONY: mutants
mutants: ## put mistakes into the code, one by one, that the simulation and the tests must find
	go run ./broker/internal/follow/mutants
	go -C .ci/tools run ./mutate -n $(MUTANTS) -seed $(SEED) -least 80 push push/session push/internal/revoke push/internal/wheel transport/websocket transport/ws transport/sse transport/poll

.PHONY: busy
busy: ## run the tests beside busy loops, three times: none may depend on how fast the machine is
	@GOFLAGS=-count=1 .ci/busy 3 $(MAKE) test

.PHONY: promises
promises: ## hold the broker over Redis to the times that are promised after a fault; needs a quiet machine
	$(STEP) 'promised times' go -C broker/faults test -count=1 -timeout 30m . -quiet

.PHONY: states
states: ## 3,000 members on three instances, and a stream of 2,000 tokens, over Redis
	$(STEP) 'members and a stream' go -C broker/faults test -count=1 -timeout 30m -v -run 'TestMembersOverInstances|TestStreamReachesAllReaders' . -members=3000 -tokens=2000

.PHONY: hostile
hostile: ## 10,000 hostile clients, 3,000 that don't read, one at its worst; needs a quiet machine
	$(STEP) 'hostile load' go test -count=1 -timeout 30m -v -run '^TestHostileLoad$$' ./transport -hostile=10000 -attacks=100
	$(STEP) 'hostile load, as much as can be' go test -count=1 -timeout 30m -v -run '^TestHostileLoad$$' ./transport -hostile=10000
	$(STEP) 'hostile load without limits' go test -count=1 -timeout 30m -v -run '^TestHostileLoad$$' ./transport -hostile=10000 -unlimited
	$(STEP) 'readers that do not read' go test -count=1 -timeout 30m -v -run '^TestReadersThatDontRead$$' ./transport -readers=3000
	$(STEP) 'one client at its worst' go test -count=1 -timeout 30m -v -run '^TestOneClientAtItsWorst$$' ./transport -worst=60s

.PHONY: networks
networks: $(NODE_MODULES) ## both browsers behind five set-ups of nginx, cut for NETWORKS_TIME (180) seconds; prints how fast messages are
	$(STEP) 'browsers behind nginx' sh -c 'cd js-client && NETWORKS_TIME=$(NETWORKS_TIME) node --test --test-reporter=spec e2e/networks.test.mjs'

.PHONY: chaos
chaos: ## instances, Redis and clients under random faults for CHAOS_TIME (10m)
	cd broker/faults && go run ./chaos -for $(CHAOS_TIME)

.PHONY: bench
bench: ## measure Tidewire beside other servers (about 40 minutes), and write docs/benchmarks/README.md
	cd docs/benchmarks && go run .

.PHONY: footprint
footprint: ## print how soon the standalone server is ready, and how much memory it takes
	go -C .ci/tools run ./footprint "$(CURDIR)"

.PHONY: image
image: ## build the standalone server as the image IMAGE (tidewire); needs Docker
	docker build -f examples/standalone/deploy/Dockerfile -t $(IMAGE) .

.PHONY: fuzz
fuzz: ## fuzz each fuzz target for FUZZ_TIME (5s)
	@.ci/fuzz $(FUZZ_TIME)

.PHONY: build-js
build-js: $(NODE_MODULES) ## build the browser client into js-client/dist, and copy the libraries of examples/fragments
	npm --prefix js-client run --silent build
	go test ./examples/fragments -run TestLibrariesAreThoseOfTheLockFile -update

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
