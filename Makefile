# Everything that people and CI do here. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

GO ?= go
# Without vet, which `make vet` is for: in a fresh clone it takes 27 of 70 s of a core to build the tests.
TEST := $(GO) test -vet=off
# Tools are pinned here and nowhere else; they do not enter go.mod, whose list is what users of the module get.
GOLANGCI := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT  := $(GO) run mvdan.cc/gofumpt@v0.12.0

TEST_TIMEOUT ?= 15m
# Of a package's tests side by side: those that wait for brokers leave the cores to others.
TEST_PARALLEL ?= 4
FUZZ_TIME    ?= 200000x
BENCH        ?= .
BENCH_COUNT  ?= 1
SEEDS        ?= 3
CARD_SEEDS   ?= 101-110
TANGLE_SEEDS ?= 10
CASES        ?= 200
QUIET_WEEKS  ?= 5000000
SIM_SEEDS    ?= 10000
SOAK_MINUTES ?= 3
SOAK_SEED    ?= 1
OUTAGE       ?= 5m
ARGS         ?=

.PHONY: help build test check race fuzz bench golden demo evaluate lookalikes tangle card quiet frontier fates localise-bench scenarios restarts leave-one-out simulation soak outage instances june checkpoints nominal fmt fmt-check vet lint layers tidy clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/drainwatch, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/drainwatch ./cmd/drainwatch

test: ## Run every test that Go alone can run, and the real-Kafka suites where Java and Maven are there
	$(TEST) -timeout $(TEST_TIMEOUT) -parallel $(TEST_PARALLEL) ./...

check: fmt-check vet lint layers race ## All that a change must pass: format, vet, lint, layers, tests under -race, short fuzz
	@$(MAKE) --no-print-directory fuzz FUZZ_TIME=10000x

race: ## Run the tests under the race detector, but few scenarios: -short (needs a C compiler)
	CGO_ENABLED=1 $(TEST) -race -short -timeout $(TEST_TIMEOUT) ./...

# Inputs are counted, not seconds: at the end of a time Go 1.26 can report its own deadline as a failure (go.dev/issue/75804).
fuzz: ## Fuzz every target with FUZZ_TIME (200000x) inputs
	@$(TEST) -run '^$$' -list '^Fuzz' ./... | \
	  awk '/^Fuzz/ {names[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, names[i]; n = 0}' | \
	  while read -r package name; do \
	    echo "fuzz $$package $$name $(FUZZ_TIME)"; \
	    $(TEST) -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) "$$package" </dev/null; \
	  done

bench: ## Run the benchmarks that match BENCH (.), BENCH_COUNT (1) times
	$(TEST) -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCH_COUNT) -timeout 60m ./...

# Only the tests in files that have to do with golden files are run.
golden: ## Rewrite the golden files; review the diff like code
	@files=$$(grep -rlE --include='*_test.go' '\*update\b|\bgolden\(' .); \
	  names=$$(grep -hoE '^func Test[A-Za-z0-9_]+' $$files | sed 's/^func //' | sort -u | paste -sd'|'); \
	  $(TEST) $$(printf '%s\n' $$files | xargs -n1 dirname | sort -u) -run "^($$names)\$$" -update

demo: ## See it work: embedded broker, simulated traffic, an incident, an alert (ARGS=--once ends by itself)
	$(GO) run ./cmd/drainwatch demo $(ARGS)

# What no change may lose, over worlds that the tests do not see.
evaluate: ## Score the detector on every scenario in SEEDS (3) tuning worlds each, and fail below the bars
	$(GO) run ./cmd/drainwatch evaluate --log-level warn --seeds $(SEEDS) $(ARGS) \
	  --held --min-recall 0.98 --min-cause 0.97 --min-scope 0.97 --max-pages 0 --min-paged-once 0.9 --min-factor 0.97 --max-ledger-error 0.001 --min-open-recall 0.5

lookalikes: ## Play the innocent look-alikes in SEEDS (3) tuning worlds each, say what speaks for them, and fail if one is paged for (a second of a core a world)
	$(GO) run ./cmd/drainwatch evaluate --log-level warn --lookalikes --seeds $(SEEDS) --max-pages 0 $(ARGS)

tangle: ## Score worlds in which two and three causes overlap, TANGLE_SEEDS (10) of each, and fail below the bars
	$(GO) run ./cmd/drainwatch evaluate --log-level warn --only tangle-2 --seeds $(TANGLE_SEEDS) --min-recall 0.95 --min-scope 0.95 --min-paged-once 0.9
	$(GO) run ./cmd/drainwatch evaluate --log-level warn --only tangle-3 --seeds $(TANGLE_SEEDS) --min-recall 0.95 --min-scope 0.95 --min-paged-once 0.9

# Figures for others to read come from worlds that nothing was tuned on.
card: ## Score the detector on the test seeds CARD_SEEDS (101-110) and write the card into README.md (20 minutes)
	$(GO) run ./cmd/drainwatch evaluate --seeds $(CARD_SEEDS) --card README.md $(ARGS)

# About twelve minutes of one core for a million user-weeks, and 1.3 GB; worlds that this build has played are not played again.
quiet: ## Count false pages and tickets over QUIET_WEEKS (5000000) user-weeks of innocent traffic; a stopped run goes on (an hour of one core)
	$(GO) run ./cmd/drainwatch evaluate --quiet-weeks $(QUIET_WEEKS) --results '$(CURDIR)/out/quiet.jsonl' $(ARGS)

# Two minutes of two cores for a million account-weeks of each population; a run that was stopped goes on where it was.
frontier: ## Measure recall and delay of one user's drain against false findings over a million account-weeks, and draw out/frontier.png (ARGS=-frontier-chunks=64)
	$(TEST) ./detector/profile -run '^TestFrontier$$' -v -count=1 -timeout 24h -frontier '$(CURDIR)/out/frontier.jsonl' $(ARGS)

fates: ## Measure what becomes of users who poison their past, change their lives or begin, with and without peers: found or accepted, and after how long (a minute)
	$(TEST) ./detector/profile -run '^(TestFates|TestNewcomersStartFromTheirPeers)$$' -v -count=1 -timeout 1h -fates=200 $(ARGS)

# Cases are of seeds from 101 on, which nothing was tuned on.
localise-bench: ## Measure localise: exact-match F1 and time over CASES (200) tables of each set; real cases, cross-validated (3 minutes)
	GOMAXPROCS=1 $(TEST) ./cmd/drainwatch -run '^TestLocaliseCard$$' -v -count=1 -timeout 24h -localise-cases=$(CASES)
	$(TEST) ./stats/localise -run '^TestCausesOfRealCDN$$' -v -count=1 -timeout 1h -refit

scenarios: ## Play the long scenarios, which make test leaves out, whole and on different ways (three minutes of a core)
	$(TEST) ./detector -run '^Test(Scenarios|PartitionsChangeNoVerdict|DisorderChangesNoVerdict)$$' -rest -count=1 -timeout 60m

# A dozen restarts of every scenario, twice: an hour of one core. ONLY=price-cohort takes one.
restarts: ## Stop and restore at random records of every scenario, and expect the same bytes (ONLY=price-cohort)
	DRAINWATCH_RESTARTS=1 $(TEST) ./detector -run '^TestRestartsChangeNothing$$/$(ONLY)' -v -count=1 -timeout 24h

# A seed is one order of events among three instances; about six a second of one core. A failing one is shown alone with -sim-seeds=1.
simulation: ## Play SIM_SEEDS (10000) orders of crashes, zombies and lost answers, and see that code broken on purpose is noticed (half an hour)
	$(TEST) ./detector -run '^TestSimulation' -count=1 -timeout 24h -sim-seeds=$(SIM_SEEDS) -sim-all $(ARGS)

JUNE_KILLS ?= 50
june: ## Play the June story through real Kafka, two instances and a real Alertmanager, killing JUNE_KILLS (50) times: each cause pages once
	DRAINWATCH_REQUIRE_KAFKA=1 DRAINWATCH_REQUIRE_ALERTMANAGER=1 $(TEST) ./cmd/drainwatch -run '^TestJune$$' -v -count=1 -timeout 24h -june-kills=$(JUNE_KILLS)

# Real brokers and processes; the last line counts. A round of all steps takes about four minutes (the table is in cmd/drainwatch/doc.go): brokers
# begin with Kafka 3.9 and are upgraded halfway. Checkpoints are in a topic that is compacted all the while for an odd seed, else in a directory.
# ARGS=-soak-kills=2 kills twice as often; ARGS=-soak-old=FILE has instances be another drainwatch until they are restarted one by one.
soak: ## Kill, freeze, starve, cut off and upgrade three instances and three brokers for SOAK_MINUTES (3), in the order of SOAK_SEED (1), and hold the ledger against the books
	@line=$$(mktemp); trap 'rm -f "$$line"' EXIT; code=0; \
	  DRAINWATCH_REQUIRE_KAFKA=1 $(TEST) ./cmd/drainwatch -run '^TestSoak$$' -v -count=1 -timeout 24h -soak=$(SOAK_MINUTES)m -soak-seed=$(SOAK_SEED) -soak-line="$$line" $(ARGS) || code=$$?; \
	  cat "$$line"; exit $$code

instances: ## Have one, two, four and a changing number of instances find the same, on real Kafka (a minute)
	DRAINWATCH_REQUIRE_KAFKA=1 $(TEST) ./cmd/drainwatch -run '^TestInstances$$' -v -count=1 -timeout 1h -instances $(ARGS)

CHECKPOINT_USERS ?= 1000000
# Half an hour on busy cores. How long rows wait is measured in processor time, the rest in both.
checkpoints: ## Measure what checkpoints of CHECKPOINT_USERS (1000000) in one partition take of run's throughput, how long rows wait, and how long a restart takes, on real Kafka (ten minutes)
	GOMAXPROCS=1 $(TEST) ./detector -run '^TestCheckpointStall$$' -v -count=1 -timeout 24h -checkpoint-users=$(CHECKPOINT_USERS)
	DRAINWATCH_REQUIRE_KAFKA=1 $(TEST) ./cmd/drainwatch -run '^TestCheckpointCost$$' -v -count=1 -timeout 24h -checkpoint-users=$(CHECKPOINT_USERS) $(ARGS)

# Above three minutes it also wants to hear that nothing is heard.
outage: ## Take all of three brokers away for OUTAGE (5m), two of them, and the disk of one, in the middle of a history: memory, readiness, checkpoints, nothing lost
	DRAINWATCH_REQUIRE_KAFKA=1 $(TEST) ./cmd/drainwatch -run '^TestFault(14|16|29)' -v -count=1 -timeout 24h -outage=$(OUTAGE) $(ARGS)

# Half an hour of one core a seed. Every cause, and innocents; a run that was stopped goes on where it was.
LEAVE_SEEDS ?= 1
LEAVE_WORLDS ?=
leave-one-out: ## Measure what each piece of evidence is worth: the table in detector/verdict/doc.go
	$(GO) run ./cmd/drainwatch evaluate --leave-one-out $(if $(LEAVE_WORLDS),--only $(LEAVE_WORLDS)) --seeds $(LEAVE_SEEDS) --results '$(CURDIR)/out/leave.jsonl' $(ARGS)

nominal: ## Measure what every sequential bound is worth on real traffic: the table in stats/sequential/doc.go (a minute)
	$(TEST) ./stats/sequential -run '^TestNominalAgainstReal$$' -count=1 -timeout 1h -nominal $(ARGS)

fmt: ## Format the sources
	$(GOFUMPT) -w .

fmt-check: ## Fail if a source is not formatted
	@files=$$($(GOFUMPT) -l .); \
	  if [ -n "$$files" ]; then echo "not formatted, run make fmt:"; echo "$$files"; exit 1; fi

vet: ## Run go vet
	$(GO) vet ./...

lint: ## Run golangci-lint at its pinned version (the first run builds it: 90 s on two cores)
	$(GOLANGCI) run ./...

layers: ## Check the import layers, doc.go of every package and the top level
	$(TEST) -count=1 -run 'ImportLayers|EveryPackage|TopLevel' ./detector

tidy: ## Fail if go.mod or go.sum is not tidy
	$(GO) mod tidy -diff

clean: ## Remove what builds and runs left behind
	rm -rf bin out

-include fixtures/kafka/kafka.mk
