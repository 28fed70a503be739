# Tributary's workshop: `make` alone lists what it can do.
# Needs Go, and Node with npm; no root, no Docker. Tools are pinned here and installed once into a cache of their own.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# Where tools live. Keyed by the Go that built them: a linter built by an older Go refuses newer code.
CACHE := $(or $(TRIBUTARY_CACHE),$(HOME)/.cache/tributary)
TOOLS := $(CACHE)/tools/$(or $(shell go env GOVERSION 2>/dev/null),no-go)

# What the module and the lock file pin is read from there, so that there is one place to change it.
module-version = $(shell sed -n 's|^[[:space:]]*$(1) \(v[^ ]*\).*|\1|p' go.mod)

GOLANGCI_LINT := $(TOOLS)/golangci-lint-v2.15.0/golangci-lint
GOVULNCHECK := $(TOOLS)/govulncheck-v1.8.0/govulncheck
PROTOC_GEN_GO := $(TOOLS)/protoc-gen-go-$(call module-version,google.golang.org/protobuf)/protoc-gen-go
PROTOC_GEN_VT := $(TOOLS)/protoc-gen-go-vtproto-$(call module-version,github.com/planetscale/vtprotobuf)/protoc-gen-go-vtproto
OAPI_CODEGEN := $(TOOLS)/oapi-codegen-v2.8.2/oapi-codegen
BUF := $(CACHE)/tools/buf-$(shell cat schemas/package-lock.json | cksum | cut -d' ' -f1)/node_modules/.bin/buf

GO_MINIMUM := $(shell sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' go.mod)
NODE_MINIMUM := 20

VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
BIN ?= bin/tributary

# Vetting is lint's: with the race detector it would be all done again, down to the standard library.
# Packages tested at a time: each may start servers of its own, and two fill a machine of two cores.
TEST_PACKAGES ?= 2
# For the slowest package, on the slowest machine; alone it needs a fifth of it.
TEST_TIMEOUT ?= 40m
# The race detector is C: without a compiler the tests run all the same, and say so.
RACE := $(if $(shell command -v "$$(go env CC 2>/dev/null)" 2>/dev/null),-race)
# What it finds it has said by then: it need not let each process, and the tests start many, linger for a second at its end.
export GORACE ?= atexit_sleep_ms=0

# It starts no goroutine, so it has no races to find, and colours code in an eighth of the time when nobody looks for them.
ONE_GOROUTINE := docs/site

BENCH_OF ?=
BENCH_ARGS ?=
BENCH ?= .
FUZZTIME ?= 10s
export TRIBUTARY_CHAOS_KILLS ?=

##@ Use it

.PHONY: demo
demo: build need-node ## See it work: servers, sample events, balances, revenue, proof; ends by itself
	@bin/tributary demo

.PHONY: dev
dev: build need-node ## Run all of it on this machine until Ctrl-C (ARGS="--ports auto" and the like)
	@exec bin/tributary dev $(ARGS)

.PHONY: build
build: need-go ## Build bin/tributary
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/tributary ./cmd/tributary

# Loading ClickHouse's engine takes the system's dynamic linker, so the image's program is built without, and with the time zones in it.
.PHONY: static
static: need-go ## Build the program for images: linked with nothing, time zones in it, without the embedded ClickHouse (BIN=path)
	CGO_ENABLED=0 go build -trimpath -tags static,timetzdata -ldflags '-X main.version=$(VERSION)' -o $(BIN) ./cmd/tributary

# Passwords are made once, for whoever may read this folder's files as their owner.
.env: | .env.example
	@umask 077; while IFS= read -r line; do \
		case $$line in *_PASSWORD=) printf '%s%s\n' "$$line" "$$(LC_ALL=C tr -dc a-zA-Z0-9 </dev/urandom | head -c 32)";; *) printf '%s\n' "$$line";; esac; \
	done <.env.example >.env.new && mv .env.new .env && echo 'made passwords in .env' >&2

.PHONY: up
up: .env ## Run all of it in containers, with Prometheus and Grafana: needs Docker Compose, and nothing else
	TRIBUTARY_VERSION='$(VERSION)' docker compose up --build --detach
	docker compose ps

.PHONY: down
down: ## Stop those containers; their data stays
	docker compose down

.PHONY: docs
docs: need-go ## Make the docs a site in bin/docs that is read and searched offline
	@go run ./docs/site

##@ Prove it

.PHONY: test
test: need-go need-node ## Run every test, from a fresh clone, with the race detector
	@[ -n "$(RACE)" ] || echo 'WARNING: no C compiler, so the tests run WITHOUT the race detector.' >&2
	@command -v java >/dev/null && command -v mvn >/dev/null || \
		echo 'WARNING: no java or no mvn, so the tests on real Apache Kafka are SKIPPED.' >&2
	code=0; \
	go test $(RACE) -vet=off -timeout $(TEST_TIMEOUT) -p $(TEST_PACKAGES) $$(go list ./... | grep -v '/$(ONE_GOROUTINE)$$') || code=1; \
	go test -vet=off -timeout $(TEST_TIMEOUT) ./$(ONE_GOROUTINE) || code=1; \
	exit $$code

.PHONY: lint
lint: lint-go lint-schemas lint-generated lint-vulnerabilities ## Run every linter: Go, schemas, generated code, known vulnerabilities

# Peers are measured on a broker of Apache Kafka, where there can be one, and the product beside them on the same.
JAVA = $(and $(shell command -v java),$(shell command -v mvn))
PEERS_ARGS = $(if $(PEERS),$(if $(BENCH_OF),,--of '^peer/') $(if $(JAVA),--apache))

.PHONY: bench
bench: need-go need-node ## Measure floors and product side by side (BENCH_OF=regexp, BENCH_ARGS='--repeat 3'; PEERS=1: peers and product)
	@[ -z "$(PEERS)" -o -n "$(JAVA)" ] || echo 'WARNING: no java or no mvn, so the peers that need them are SKIPPED.' >&2
	@CGO_ENABLED=0 go build -trimpath -o bin/bench ./cmd/bench
	@exec bin/bench $(if $(BENCH_OF),--of '$(BENCH_OF)') $(PEERS_ARGS) $(BENCH_ARGS)

.PHONY: bench-check
bench-check: need-go need-node ## Fail where a ratio of product and floor is far below what was reached (RECORD=1 notes new ones)
	@CGO_ENABLED=0 go build -trimpath -o bin/bench ./cmd/bench
	@exec bin/bench --check docs/performance.json $(if $(RECORD),--record)

.PHONY: microbench
microbench: need-go need-node ## Run the packages' own benchmarks (BENCH=regexp)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: chaos
chaos: need-go need-node ## Do 240 faults to all of it, on both Kafkas, then verify (TRIBUTARY_CHAOS_SEED=n repeats a run)
	@export TRIBUTARY_CHAOS_FAULTS=$${TRIBUTARY_CHAOS_FAULTS:-120} TRIBUTARY_CHAOS_KILLS=$${TRIBUTARY_CHAOS_KILLS:-50} \
		TRIBUTARY_CHAOS_TIME=$${TRIBUTARY_CHAOS_TIME:-60m} TRIBUTARY_CHAOS_SEED=$${TRIBUTARY_CHAOS_SEED:-$$RANDOM}; \
	echo "chaos: $$TRIBUTARY_CHAOS_FAULTS faults on each Kafka, seed $$TRIBUTARY_CHAOS_SEED," \
		"$$TRIBUTARY_CHAOS_TIME at most; again with: make chaos TRIBUTARY_CHAOS_SEED=$$TRIBUTARY_CHAOS_SEED"; \
	go test -run TestChaos -count=1 -timeout 90m -v ./cmd/tributary/chaos; \
	go test $(RACE) -run TestKill -count=1 -timeout 60m -v ./projections/clickhouse

.PHONY: fuzz
fuzz: need-go ## Fuzz each decoder in turn (FUZZTIME=10s each)
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ { found[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print $$2, found[i]; n = 0 }' | \
	while read -r package target; do \
		echo "fuzz: $$package $$target for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

##@ Change it

.PHONY: generate
generate: need-go $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_VT) $(OAPI_CODEGEN) ## Generate Go from the schemas, and the client from the HTTP API
	@cd schemas && $(with-plugins) $(BUF) generate
	@cd client && $(call generate-client,client.gen.go)

.PHONY: baseline
baseline: $(BUF) ## Hold later schemas to today's as well (with each addition; refuses what breaks the old ones)
	@cd schemas && $(BUF) breaking --against baseline.binpb && $(BUF) build --exclude-source-info -o baseline.binpb

.PHONY: fmt
fmt: need-go $(GOLANGCI_LINT) $(BUF) ## Format Go and schemas
	@$(GOLANGCI_LINT) fmt
	@cd schemas && $(BUF) format -w

.PHONY: clean
clean: ## Remove what was built here; keeps the cache and the data of `make dev`
	rm -rf bin coverage.out

.PHONY: help
help: ## List these
	@awk 'BEGIN { FS = ":[^#]*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nTools are kept in %s (TRIBUTARY_CACHE moves them).\n' '$(CACHE)'

# The parts of lint.

.PHONY: lint-go lint-schemas lint-generated lint-vulnerabilities

lint-go: need-go $(GOLANGCI_LINT)
	go vet ./...
	@$(GOLANGCI_LINT) run --timeout 10m

# The baseline has every field that was ever merged: an addition that is not in it yet would go unprotected.
lint-schemas: $(BUF)
	@cd schemas && $(BUF) lint && $(BUF) format --diff --exit-code && $(BUF) breaking --against baseline.binpb
	@cd schemas && $(BUF) build --exclude-source-info -o - | cmp -s - baseline.binpb || { \
		echo 'schemas/baseline.binpb lacks an addition to the schemas: run "make baseline" and commit the result.' >&2; exit 1; }
	@echo 'schemas keep their promises'

# Where AsyncAPI's own JSON Schema is, for the test that holds schemas/asyncapi.json to it.
.PHONY: asyncapi-schema
asyncapi-schema: $(BUF)
	@echo $(patsubst %/.bin/buf,%,$(BUF))/@asyncapi/specs/schemas/3.0.0.json

# Generated beside and compared, so that work under way is neither overwritten nor mistaken for stale code.
lint-generated: need-go $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_VT) $(OAPI_CODEGEN)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	(cd schemas && $(with-plugins) $(BUF) generate -o "$$fresh"); \
	diff -r -x doc.go -x '*_test.go' "$$fresh/eventsv1" schemas/eventsv1 || { \
		echo 'schemas/eventsv1 is not what the schemas generate (< wanted, > found): run "make generate" and commit the result.' >&2; exit 1; }; \
	(cd client && $(call generate-client,"$$fresh/client.gen.go")); \
	diff "$$fresh/client.gen.go" client/client.gen.go || { \
		echo 'client/client.gen.go is not what the HTTP API is (< wanted, > found): run "make generate" and commit the result.' >&2; exit 1; }; \
	echo 'generated code is fresh'

# A finding fails. Only a database that cannot be reached is passed over, because then nothing is known.
lint-vulnerabilities: need-go $(GOVULNCHECK)
	@out=$$($(GOVULNCHECK) ./... 2>&1) && code=0 || code=$$?; printf '%s\n' "$$out"; \
	if [ "$$code" = 1 ] && grep -q 'fetching vulnerabilities' <<<"$$out"; then \
		printf '\n%s\n\n' 'WARNING: SKIPPED the check for known vulnerabilities: its database cannot be reached from here.' >&2; \
	else exit "$$code"; fi

# Prerequisites.

.PHONY: need-go need-node

need-go:
	@found=$$(go env GOVERSION 2>/dev/null || true); \
	awk -v found="$${found#go}" -v least='$(GO_MINIMUM)' 'BEGIN { split(found, f, "."); split(least, l, "."); \
		exit !(f[1] + 0 > l[1] + 0 || (f[1] + 0 == l[1] + 0 && f[2] + 0 >= l[2] + 0)) }' || { \
		echo 'Go $(GO_MINIMUM) or newer is needed: everything is built with it (https://go.dev/dl/).' >&2; \
		echo "Found: $${found:-none}" >&2; exit 1; }

need-node:
	@found=$$(node --version 2>/dev/null || true); major=$${found#v}; major=$${major%%.*}; \
	[ "$${major:-0}" -ge $(NODE_MINIMUM) ] && command -v npm >/dev/null || { \
		echo 'Node $(NODE_MINIMUM) or newer with npm is needed: the servers that demo, dev and the tests run,' >&2; \
		echo 'and the schema linter, are npm packages (https://nodejs.org/).' >&2; \
		echo "Found: node $${found:-none}, npm $$(command -v npm || echo none)" >&2; exit 1; }

# Tools. Each is built beside its place and moved there whole, so that two builds at once do no harm.

with-plugins = PATH="$(dir $(PROTOC_GEN_GO)):$(dir $(PROTOC_GEN_VT)):$$PATH"

# A gateway's own description of itself, and calls for it.
generate-client = described=$$(mktemp) && go run ./internal/describe >"$$described" && \
	$(OAPI_CODEGEN) -config oapi-codegen.yaml -o $(1) "$$described" && rm "$$described"

define install-go-tool
	@echo 'installing $(notdir $@) (once, into $(TOOLS))' >&2
	@mkdir -p $(TOOLS); new=$$(mktemp -d $(TOOLS)/new-XXXXXX); \
	GOBIN="$$new" GOFLAGS=-mod=mod go install $(1)@$(subst $(notdir $@)-,,$(notdir $(@D))); \
	mkdir -p $(@D); mv -f "$$new/$(notdir $@)" $@; rmdir "$$new"
endef

$(GOLANGCI_LINT): | need-go
	$(call install-go-tool,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)

$(GOVULNCHECK): | need-go
	$(call install-go-tool,golang.org/x/vuln/cmd/govulncheck)

$(PROTOC_GEN_GO): | need-go
	$(call install-go-tool,google.golang.org/protobuf/cmd/protoc-gen-go)

$(PROTOC_GEN_VT): | need-go
	$(call install-go-tool,github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto)

$(OAPI_CODEGEN): | need-go
	$(call install-go-tool,github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen)

# The platform's own package holds the binary, so npm has no script to run.
$(BUF): | need-node
	@echo 'installing buf (once, into $(CACHE)/tools)' >&2
	@mkdir -p $(CACHE)/tools; new=$$(mktemp -d $(CACHE)/tools/new-XXXXXX); \
	cp schemas/package.json schemas/package-lock.json schemas/.npmrc "$$new"; \
	(cd "$$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); \
	place=$(CACHE)/tools/$(notdir $(patsubst %/node_modules/.bin/buf,%,$@)); \
	[ -x $@ ] || mv "$$new" "$$place" 2>/dev/null || rm -rf "$$new"; [ -x $@ ]
