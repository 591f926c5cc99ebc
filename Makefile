# One file for people and for .ci/run: `make` alone says what there is.

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BUILD   := $(GO) build -ldflags '-X main.version=$(VERSION)'
TEST    := $(GO) test -count=1
CLANG   := clang-16
LLVM    := 16.0.6
STRIP   := llvm-strip-16
FORMAT  := clang-format-16
C       := $(wildcard bpf/*.c bpf/*.h engine/bench/*.c testdata/external/*.c)
OBJECT  := -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v3 -target bpf -fdebug-compilation-dir=. \
	-I/usr/include/x86_64-linux-gnu

# What is checked, tested and built is the same, so that each package is compiled once.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false $(GOFLAGS)

# Tests load programs and make namespaces. Not root: go builds them as you, and sudo runs them.
ifneq ($(shell id -u),0)
TEST += -exec 'sudo -E'
endif

.PHONY: help build cross deb image lab test soak generate freeze format lint bench

help: ## this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/hairpin, one static binary
	$(BUILD) -o bin/hairpin .

cross: ## bin/hairpin-arm64 and bin/hairpin-amd64
	GOARCH=arm64 $(BUILD) -o bin/hairpin-arm64 .
	GOARCH=amd64 $(BUILD) -o bin/hairpin-amd64 .

# What is packed is as old as the commit, so that the same commit makes the same bytes.
TIME := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
ARCH := $(shell $(GO) env GOARCH)

deb: build ## bin/hairpin_VERSION_ARCH.deb
	@SOURCE_DATE_EPOCH=$(TIME) deploy/debian/build bin/hairpin $(VERSION) $(ARCH) bin

image: build ## bin/hairpin-image.tar, for docker load, podman load, ctr, skopeo
	@$(GO) run ./deploy/image -binary bin/hairpin -version $(VERSION) -arch $(ARCH) -time $(TIME) -o bin/hairpin-image.tar

lab: build ## a load-balancer node with real traffic in network namespaces, and its console (ARGS=--keep)
	@if [ "$$(id -u)" = 0 ]; then exec bin/hairpin lab $(ARGS); \
	elif command -v sudo >/dev/null; then echo 'the lab makes network namespaces: asking for root'; exec sudo -E bin/hairpin lab $(ARGS); \
	else echo 'make lab: the lab makes network namespaces and needs root: run it as root or install sudo' >&2; exit 1; fi

test: ## every test: unit, programs in the kernel, namespaces end to end, console (up to 10 minutes)
	$(TEST) -timeout 20m ./...

soak: ## the same tests with long counts (hours)
	HAIRPIN_SOAK=1 $(TEST) -timeout 12h ./...

generate: ## the bindings and objects of the C anew (needs clang 16.0.6)
	@$(CLANG) --version 2>/dev/null | grep -q 'version $(LLVM)' || \
	{ echo 'make generate: $(CLANG) $(LLVM) is needed, since its output is committed' >&2; exit 1; }
	$(GO) generate ./bpf/... ./engine/bench/...
	@for c in testdata/external/*.bpf.c; do o=$${c%.bpf.c}.o; $(CLANG) $(OBJECT) -c $$c -o $$o && $(STRIP) -g $$o || exit 1; done
	@sed -n '/^cat /,/^END$$/{//!p}' deploy/STAGES.md | $(CLANG) $(OBJECT) -x c -c - -o testdata/external/plain.o && $(STRIP) -g testdata/external/plain.o

freeze: ## a node of today's ABI into testdata/abi/N, for the tests of later ones (once for each ABI, when it is done)
	HAIRPIN_FREEZE=1 $(TEST) -run '^TestFreeze$$' ./engine

format: ## gofmt and clang-format, in place
	gofmt -w $$(git ls-files '*.go')
	$(if $(C),$(FORMAT) -i $(C))

lint: ## gofmt, vet, staticcheck, clang-format
	@out=$$(gofmt -l .); \
	[ -z "$$out" ] || { echo "not formatted (make format):"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@if command -v $(FORMAT) >/dev/null; then $(if $(C),$(FORMAT) --dry-run -Werror $(C),:); \
	elif [ -n "$$CI" ]; then echo 'make lint: $(FORMAT) is missing' >&2; exit 1; \
	else echo 'make lint: $(FORMAT) is not installed, the C was not checked'; fi

bench: ## ns per packet, apply latency, snapshot cost, bytes per frame (up to 50 s)
	$(TEST) -v -run '^TestBench$$' ./engine/bench -bench.report
	$(TEST) -v -run '^TestBytesPerFrame$$' ./ui/term
