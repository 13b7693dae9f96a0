# What a developer of zonevm types. `make` alone lists the targets.
# Everything is installed once: system packages by tools/setup, Python packages into .venv.

VENV    := .venv
BIN     := $(VENV)/bin
CARGO   := cargo
RUST    := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
PYTEST  := $(BIN)/pytest
# What `make fresh` tests from nothing, and on which Debians.
FRESH   := test
SUITES  := bookworm trixie
# An emulated guest keeps one core busy.
PYTESTS := $(PYTEST) -n auto --maxprocesses 4
export PATH := $(CURDIR)/$(BIN):$(HOME)/.cargo/bin:$(PATH)

.PHONY: help setup build demo test check lint unit rust fuzztest guest nested loaded instructions bench kvm wheel packages fresh fuzz soak clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup: $(VENV)/.built ## install what is needed, build into .venv

build: $(VENV)/.built

$(VENV)/.system: tools/setup
	tools/setup system
	tools/setup venv $(VENV)
	@touch $@

$(VENV)/.python: $(VENV)/.system pyproject.toml requirements-dev.lock
	tools/setup python $(VENV)
	@touch $@

$(VENV)/.built: $(VENV)/.python $(RUST)
	tools/setup build $(VENV)
	@touch $@

$(VENV)/.tests: $(VENV)/.built
	tools/setup tests
	@touch $@

$(VENV)/.kernels: $(VENV)/.built
	tools/setup kernels $(VENV)
	@touch $@

demo: $(VENV)/.built ## boot a Debian kernel with an SMR disk and a ZNS namespace, and use them
	tools/demo

test: check fuzztest guest nested ## the tests: without a guest first, then in real guests, then in guests of guests

# The tests in Rust wait for the disk, most of the time.
check: lint ## everything that needs no guest
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target rust unit instructions

lint: $(VENV)/.built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest zonevm._core
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	$(CARGO) metadata --manifest-path fuzz/Cargo.toml --locked --format-version 1 >/dev/null
	tools/notice --check

rust: $(VENV)/.built
	+$(CARGO) test --workspace --quiet

instructions: $(VENV)/.built $(VENV)/.tests
	tools/instructions

unit: $(VENV)/.tests
	$(PYTESTS) --dist worksteal tests/unit

fuzztest: $(VENV)/.tests ## each fuzz target over its seeds, and five seconds from there
	fuzz/test

# The tests of a file share guests.
guest: $(VENV)/.kernels $(VENV)/.tests
	$(PYTESTS) --dist loadfile tests/guest

nested: $(VENV)/.kernels $(VENV)/.tests ## guests in a guest: kernel targets and passthrough
	$(PYTESTS) --dist loadfile --timeout 900 tests/nested

loaded: $(VENV)/.kernels $(VENV)/.tests ## faults, power cuts, lifecycle and bad input beside 20 busy processes; up to 90 minutes
	tools/setup loaded
	tools/loaded $(PYTEST)

bench: $(VENV)/.kernels ## how fast the emulated disks and the boot are, beside others: target/bench/report.md
	tools/setup bench $(VENV)
	$(BIN)/python benches/report.py

kvm: $(VENV)/.kernels $(VENV)/.tests ## on a machine with KVM: tests and benchmarks, and a report to send
	tools/setup bench $(VENV)
	tools/kvm

$(VENV)/.wheel: $(VENV)/.python
	tools/setup wheel $(VENV)
	@touch $@

wheel: $(VENV)/.built $(VENV)/.wheel ## a wheel for Linux with glibc 2.17 or newer, checked: dist/
	tools/wheel

packages: wheel $(VENV)/.tests ## the wheel, the container and the CI job on bare Debians, a guest in each
	$(PYTEST) -n0 tests/packages

fresh: $(VENV)/.tests ## `make demo` and `make test` from nothing, on bare Debians; FRESH=check SUITES=trixie for less
	set -e; for suite in $(SUITES); do tools/fresh "$$suite" $(FRESH); done

fuzz: $(VENV)/.tests ## ten minutes of each fuzz target
	fuzz/run cdb 600
	fuzz/run virtq 600
	fuzz/run image 600
	fuzz/run messages 600
	fuzz/run nvme 600
	fuzz/run nvme_queues 600
	fuzz/run vfio_messages 600
	$(BIN)/python -m tests.campaigns.hostile_guest 600

soak: $(VENV)/.kernels $(VENV)/.tests ## hours of crashes, power cuts, kills and fuzzing; goes on where it was stopped
	$(BIN)/python -m tests.campaigns.soak

clean: ## remove what was built; images and kernels stay
	rm -rf $(VENV) target dist fuzz/target .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f src/zonevm/*.so src/zonevm/kernel/zonevm-init
