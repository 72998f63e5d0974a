# Thin: every target is a script in scripts/ or a CMake preset. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup build run test test-long asan tsan lint format fuzz bench coverage clean
SHELL := /bin/bash

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# STINT_NO_SETUP=1 leaves the machine as it is.
setup: ## install what a Debian 12 lacks; nothing when nothing is missing
	@$(if $(STINT_NO_SETUP),true,scripts/setup.sh)

build: setup ## build/release/bin/stint and stint-verify
	@. scripts/common.sh && compile release stint_programs && ls -l build/release/bin/stint*

run: setup ## the demonstration on a real git server; ONCE=1 plays it and exits
	@. scripts/common.sh && compile release stint_programs
	@ONCE=$(ONCE) scripts/demo.sh

test: setup ## lints, build, all fast tests under ASan+UBSan, interop and end-to-end suites
	@scripts/test.sh

test-long: setup ## the same, and release tests, TSan, slow and crash tests, fuzzing, clang-tidy
	@scripts/test.sh --long

asan: setup ## fast tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@. scripts/common.sh && compile asan && ctest --test-dir build/asan -j $$JOBS -L fast --output-on-failure

tsan: setup ## fast tests under ThreadSanitizer
	@. scripts/common.sh && compile tsan && TSAN_OPTIONS=halt_on_error=1:suppressions=$$PWD/scripts/tsan.supp \
	  ctest --test-dir build/tsan -j $$JOBS -L fast --output-on-failure

lint: setup ## source rules, format, headers alone; TIDY=1 adds clang-tidy (TIDY=changed: only those)
	@scripts/lint --format
	@. scripts/common.sh && compile dev stint_headers
	@$(if $(TIDY),scripts/tidy.sh $(if $(filter changed,$(TIDY)),changed,all),true)

format: setup ## clang-format every C++ file of ours
	@scripts/lint --fix-format

fuzz: setup ## fuzz every target for SECONDS each (default 60); NAME=… picks
	@scripts/fuzz.sh $(or $(SECONDS),60) $(NAME)

bench: setup ## micro-benchmarks, then bench/ against limits and peers
	@scripts/bench.sh

coverage: setup ## line and branch coverage of the fast tests
	@scripts/coverage.sh

clean: ## remove build/
	rm -rf build
