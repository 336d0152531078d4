# The jobs for developers and for CI. Everything is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
export VIRTUAL_ENV := $(abspath $(VENV))
# libFuzzer runs on stable Rust: LLVM's own pass inserts the counters and comparisons that it reads. `--target` keeps them
# out of build scripts.
FUZZ_HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
FUZZ_FLAGS := -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)
FUZZ := target/fuzz/$(FUZZ_HOST)/fuzz/fuzz
FUZZ_TARGETS := $(or $(TARGETS),$(filter-out mod,$(basename $(notdir $(wildcard fuzz/src/targets/*.rs)))))
# $(call fuzz,CORPUS,OPTIONS) runs the target $$target from its seeds and from the inputs kept in the folder CORPUS.
fuzz = FUZZ_TARGET=$$target $(FUZZ) -max_len=8192 -timeout=10 -dict=fuzz/dictionary $(2) -artifact_prefix=target/fuzz/findings/$$target/ \
	target/fuzz/$(1)/$$target fuzz/seeds/$$target
RUST := $(shell find src benches/native -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
# The protocol, the session and the engine are tested without Python.
CARGO_TEST := cargo test --locked --no-default-features --features engine --lib

# Runs both cores at once. Where make can do that (GNU make 4), the output of each comes in one piece.
BOTH := $(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
# The jobs choose the core, not the caller's environment.
unexport WSRS_PURE_PYTHON WS_NO_BUFFER_UTIL WS_NO_UTF_8_VALIDATE WSRS_TEST_BACKEND WSRS_NO_EXTENSION

.PHONY: drawings sanitize coverage coverage-rust soak demo system test test-rust test-python suite-core suite-pure test-slow test-install check format build bench docs lock clean help microbench instructions scale \
	uvicorn uvicorn-core uvicorn-pure conformance conformance-core conformance-pure conformance-fast conformance-fast-core conformance-fast-pure fuzz fuzz-smoke fuzz-build

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/.installed: requirements/test.txt
	@echo "· installing the tools into $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements/test.txt
	@touch $@

$(VENV)/.built: $(VENV)/.installed $(RUST) pyproject.toml
	@echo "· building the Rust core"
	$(BIN)/maturin develop --release --locked --quiet
	@touch $@

build: $(VENV)/.built ## build the Rust core and install wsrs into .venv

system: ## install the missing programs of requirements/system.txt (Debian, as root)
	sh requirements/system.sh

demo: build ## run 200 clients against a server; SERVE=1 keeps the server running
	$(PY) examples/demo.py $(if $(SERVE),--serve)

test: test-rust test-python fuzz-smoke conformance-fast uvicorn ## run the whole test suite, on both cores

test-rust:
	$(CARGO_TEST)

test-python: build
	@echo "· running the Python suite on both cores; each prints its result at its end, after five to eight minutes"
	@$(BOTH) suite-core suite-pure
	$(PY) -m pytest -q benches/tests

suite-core:
	$(PY) -m pytest -q

suite-pure:
	WSRS_PURE_PYTHON=1 $(PY) -m pytest -q

test-slow: build ## run the slow tests: 1 GiB through a stream, in each direction
	$(PY) -m pytest -q -s -m slow

# Each interpreter compiles the Rust core, and pip gets the tools of the build from its index.
test-install: build ## install wsrs by pip in bare environments, on PYTHONS (all; oldest, newest, current, 3.14)
	WSRS_PYTHONS="$(or $(PYTHONS),all)" $(PY) -m pytest -q -m installs tests/test_installation.py

fuzz: fuzz-build ## run each fuzz target for SECONDS (60); TARGETS selects some
	@mkdir -p $(addprefix target/fuzz/corpus/,$(FUZZ_TARGETS)) $(addprefix target/fuzz/findings/,$(FUZZ_TARGETS))
	@status=0; for target in $(FUZZ_TARGETS); do \
		echo "· $$target"; $(call fuzz,corpus,-max_total_time=$(or $(SECONDS),60) -print_final_stats=1) || status=1; \
	done; exit $$status

fuzz-smoke: fuzz-build
	@rm -rf target/fuzz/smoke
	@mkdir -p $(addprefix target/fuzz/smoke/,$(FUZZ_TARGETS)) $(addprefix target/fuzz/findings/,$(FUZZ_TARGETS))
	@status=0; for target in $(FUZZ_TARGETS); do \
		$(call fuzz,smoke,-runs=3000 -seed=1) >target/fuzz/smoke/$$target.log 2>&1 \
			&& sed -n "s/^#.*DONE/$$target:/p" target/fuzz/smoke/$$target.log || { cat target/fuzz/smoke/$$target.log; status=1; }; \
	done; exit $$status

fuzz-build:
	@CARGO_TARGET_DIR=target/fuzz RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --quiet --locked --profile fuzz --target $(FUZZ_HOST) -p wsrs-fuzz

conformance-fast: build
	@$(BOTH) conformance-fast-core conformance-fast-pure

conformance: build ## run all of Autobahn's cases on both cores, including 12 and 13
	@$(BOTH) conformance-core conformance-pure

conformance-fast-core conformance-fast-pure: conformance-fast-%:
	$(PY) -m tests.conformance --fast --backend $*

conformance-core conformance-pure: conformance-%:
	$(PY) -m tests.conformance --backend $*

# uvicorn's tests are in its source distribution alone, which pip fetches and checks by its hash.
UVICORN := target/uvicorn
$(UVICORN)/.installed: requirements/uvicorn.txt requirements/uvicorn-source.txt
	@echo "· fetching uvicorn's own tests into $(UVICORN)"
	rm -rf $(UVICORN)
	$(PYTHON) -m venv $(UVICORN)/venv
	$(UVICORN)/venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/uvicorn.txt
	$(UVICORN)/venv/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
		--no-build-isolation --no-binary uvicorn --dest $(UVICORN) -r requirements/uvicorn-source.txt
	mkdir $(UVICORN)/source && tar -xzf $(UVICORN)/uvicorn-*.tar.gz -C $(UVICORN)/source --strip-components=1
	@touch $@

uvicorn: build $(UVICORN)/.installed ## run uvicorn's own tests with wsrs.uvicorn, on both cores
	@$(BOTH) uvicorn-core uvicorn-pure

uvicorn-core uvicorn-pure: uvicorn-%:
	cd $(UVICORN)/source && PYTHONPATH=$(CURDIR)/python:$(CURDIR)/tests/uvicorn_suite \
		WSRS_PURE_PYTHON=$(filter-out core,$(subst pure,1,$*)) \
		$(CURDIR)/$(UVICORN)/venv/bin/python -m pytest -p plugin -o addopts= -q --tb=short tests/protocols tests/middleware

check: build ## run formatters, clippy, ruff, mypy, pyright, stubtest
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --all-targets -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/python -m mypy.stubtest wsrs._core

format: $(VENV)/.installed ## format the code
	cargo fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: build ## measure, and render benches/RESULTS.md; QUICK=1 takes two minutes
	$(PY) benches/run.py $(if $(QUICK),--quick)

scale: build ## hold CONNECTIONS (50000) to one process: memory, latencies, the cost of idle ones
	$(PY) benches/scale.py --connections $(or $(CONNECTIONS),50000)

instructions: build ## count user instructions per message on both cores, with callgrind
	$(PY) benches/instructions.py

microbench: ## time masking, UTF-8, frames and DEFLATE on their own, beside memcpy
	cargo run --quiet --release --locked -p wsrs-micro -- --bench $(FILTER)

soak: build ## run mixed traffic for MINUTES (30) with CONNECTIONS (2000); fail if anything grows
	$(PY) benches/soak.py --minutes $(or $(MINUTES),30) --connections $(or $(CONNECTIONS),2000)

coverage: coverage-rust build ## check coverage: lines of src/protocol, src/session and src/simd; branches of python/wsrs, both cores combined
	rm -f target/coverage/python.*
	$(PY) -m coverage run -m pytest -q
	WSRS_PURE_PYTHON=1 $(PY) -m coverage run -m pytest -q
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --fail-under=100

# These tools belong to the toolchain's own LLVM: `rustup component add llvm-tools`. The system's llvm-cov may be too old.
LLVM := $(shell rustc --print sysroot 2>/dev/null)/lib/rustlib/$(FUZZ_HOST)/bin
coverage-rust:
	@test -x $(LLVM)/llvm-cov || { echo "llvm-cov is missing: rustup component add llvm-tools"; exit 1; }
	rm -rf target/coverage/rust && mkdir -p target/coverage/rust
	CARGO_TARGET_DIR=target/coverage/build RUSTFLAGS=-Cinstrument-coverage LLVM_PROFILE_FILE=$(abspath target/coverage/rust)/%p-%m.profraw \
		$(CARGO_TEST) --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' > target/coverage/rust/binary
	$(LLVM)/llvm-profdata merge -sparse target/coverage/rust/*.profraw -o target/coverage/rust/all.profdata
	$(LLVM)/llvm-cov report $$(cat target/coverage/rust/binary) -instr-profile=target/coverage/rust/all.profdata \
		-ignore-filename-regex=tests --sources src/protocol src/session src/simd > target/coverage/rust/report
	@cat target/coverage/rust/report
	@awk '/^TOTAL/ { if ($$10 + 0 < 95) { print "lines of src/protocol, src/session and src/simd: " $$10 ", less than 95%"; exit 1 } }' target/coverage/rust/report

sanitize: $(VENV)/.installed ## run AddressSanitizer in the Rust code: its tests, and TESTS in Python (core, threats, ...)
	sh tests/sanitize.sh

docs: build ## render docs/parity.md and docs/security.md from the tables of the tests
	$(PY) -m tests.parity
	$(PY) -m tests.threats

# Only this job needs Graphviz. Its output differs from version to version, so the tests compare only the labels.
drawings: ## render docs/drawings/*.svg, with Graphviz
	for drawing in docs/drawings/*.dot; do dot -Tsvg $$drawing -o $${drawing%.dot}.svg || exit 1; done

lock: ## update requirements/test.txt from requirements/test.in
	rm -rf target/lock && $(PYTHON) -m venv target/lock
	target/lock/bin/pip install --quiet --disable-pip-version-check uv
	cd requirements && UV_CUSTOM_COMPILE_COMMAND="make lock" ../target/lock/bin/uv pip compile --quiet --upgrade \
		--universal --python-version 3.10 --no-python-downloads --no-annotate test.in -o test.txt
	cd requirements && UV_CUSTOM_COMPILE_COMMAND="make lock" ../target/lock/bin/uv pip compile --quiet --upgrade \
		--universal --python-version 3.10 --no-python-downloads --no-annotate uvicorn.in -o uvicorn.txt

clean:
	rm -rf $(VENV) target
