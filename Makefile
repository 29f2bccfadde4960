# Every target installs what it needs first; none needs another one to be run before it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export VENV ?= .venv
export VEDETTE_ENGINES ?= $(HOME)/.cache/vedette/engines
BIN := $(VENV)/bin
# More arguments for pytest: make test PYTEST_ARGS="-k socket -x"
PYTEST_ARGS ?=
PYTEST := $(BIN)/python -m pytest -n 2

# In CI a missing engine or tool is an error; elsewhere it is named, and the tests of it skip.
MAY_FAIL := $(if $(CI),false,true)

.PHONY: help
help: ## print the targets
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

.PHONY: demo
demo: runtime engines ## see it work: a MISP, a Suricata, an alert, and the proof
	@$(BIN)/vedette demo

.PHONY: fleet-demo
fleet-demo: dev engines ## see a fleet proved: two engines with agents, suricata-update, a roll back
	@$(BIN)/vedette demo --fleet

.PHONY: setup
setup: dev engines-or-say search-or-say test-tools-or-say ## everything a developer needs, in .venv and beside the system

.PHONY: check
check: lint ## the quick gate: lint, and the tests that need no engine (under a minute)
	@$(PYTEST) -m "not engine and not search" $(PYTEST_ARGS)

.PHONY: test
test: engines-or-say search-or-say test-tools-or-say lint ## the whole gate, as CI runs it
	@$(PYTEST) $(PYTEST_ARGS)

.PHONY: engine
engine: dev engines test-tools-or-say ## only the tests against real Suricata 7.0 and 8.0
	@$(PYTEST) -m engine $(PYTEST_ARGS)

.PHONY: web
web: dev ## only the tests of the web pages and of the API
	@if [ -d tests/web ]; then $(PYTEST) tests/web $(PYTEST_ARGS); else echo "there are no web pages yet"; fi

.PHONY: lint
lint: dev ## ruff, mypy, import-linter, codespell, and whether the pins are up to date
	@failed=(); try() { "$$@" || failed+=("$${*##*/}"); }; \
	try $(BIN)/ruff check --quiet .; \
	try $(BIN)/ruff format --check --quiet .; \
	try $(BIN)/mypy; \
	try $(BIN)/lint-imports --no-logo; \
	try $(BIN)/codespell; \
	try tools/lock.sh --check; \
	[ "$${#failed[@]}" = 0 ] || { printf 'lint failed: %s\n' "$${failed[@]}" >&2; exit 1; }

.PHONY: format
format: dev ## let ruff format the code and fix what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: docs
docs: dev ## the documentation, in docs/_build/html; warnings are errors
	@$(BIN)/sphinx-build -W -n -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

.PHONY: bench
bench: dev engines ## the benchmarks, side by side in one run
	@if [ -f bench/__main__.py ]; then $(BIN)/python -m bench; else echo "there are no benchmarks yet"; fi

.PHONY: lock
lock: dev tools ## pin the dependencies of pyproject.toml again, with hashes
	@tools/lock.sh $(LOCK_ARGS)

.PHONY: hooks
hooks: dev tools ## run the checks of .pre-commit-config.yaml before every commit
	@$(BIN)/prek install

.PHONY: dist
dist: dev ## the wheels and the source archive, in dist/
	@PYTHON=$(BIN)/python tools/dist.sh

.PHONY: clean
clean: ## remove what these targets made here (the engines stay)
	@rm -rf $(VENV) dist docs/_build .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests bench docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

.PHONY: runtime dev tools
runtime dev tools:
	@tools/setup.sh $@

.PHONY: engines engines-or-say
engines:
	@tools/engines.sh

engines-or-say:
	@tools/engines.sh || $(MAY_FAIL)

# tshark is the second opinion on what a capture holds; Redis is what engines may write EVE to; sshd
# is how sensors without an agent are reached, and some of these have only BusyBox; minisign is the
# second opinion on our signatures; faketime sets the clock of one process.
.PHONY: test-tools-or-say
test-tools-or-say:
	@command -v tshark >/dev/null || tools/apt.sh tshark || $(MAY_FAIL)
	@command -v redis-server >/dev/null || tools/apt.sh redis-server || $(MAY_FAIL)
	@[ -x /usr/sbin/sshd ] || tools/apt.sh openssh-server || $(MAY_FAIL)
	@command -v busybox >/dev/null || tools/apt.sh busybox || $(MAY_FAIL)
	@command -v minisign >/dev/null || tools/apt.sh minisign || $(MAY_FAIL)
	@command -v faketime >/dev/null || tools/apt.sh faketime || $(MAY_FAIL)

# An OpenSearch and an Elasticsearch to hunt in, as jars; a JDK and Maven fetch and start them.
.PHONY: search-or-say
search-or-say:
	@{ command -v javac && command -v mvn; } >/dev/null || tools/apt.sh default-jdk-headless maven || $(MAY_FAIL)
	@tools/opensearch.sh || $(MAY_FAIL)
