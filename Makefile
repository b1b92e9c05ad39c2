# make test   everything that has to hold: lint, types, room boundaries, tests        make demo   watch it work
# make lint   the first three alone      make bench   the standing benchmark          make clean  forget it all
# make soak   the random machine for about an hour, differently every time; TALLYSTICK_SEED=n plays one seed again
# make coverage   fails unless the tests of the core and the engine reach every line and every branch of them
# make mutants    breaks the core in thousands of ways and tells which its tests let pass; MODULES="merge plan" for some
#
# Each target sets itself up on a fresh Debian with Python 3.11 or newer, as root or not. Where a Debian package that
# tests need cannot be installed, those tests skip and say so; with CI=true that is a failure.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := test

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?=
PYTEST_ARGS ?=
MODULES ?= *
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: test lint demo bench soak coverage mutants packages clean

test: $(VENV)/.test packages lint
	$(BIN)/pytest -m "not bench" $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: $(VENV)/.product
	@folder="$(DEMO)"
	[ -n "$$folder" ] || folder=$$(mktemp -d "$${TMPDIR:-/tmp}/tallystick-demo.XXXX")
	$(BIN)/tallystick demo "$$folder"

bench: $(VENV)/.test packages
	$(BIN)/pytest -m bench tests/bench -s $(PYTEST_ARGS)

soak: $(VENV)/.test
	TALLYSTICK_SOAK=1 $(BIN)/pytest tests/engine/test_machine.py $(PYTEST_ARGS)

# The random machine stays out: what only it reaches today it may miss tomorrow.
coverage: $(VENV)/.test
	$(BIN)/coverage run -m pytest tests/core tests/engine --ignore tests/engine/test_machine.py -q $(PYTEST_ARGS)
	$(BIN)/coverage report

# Always from the beginning: a test that was changed may not be tried on what it let pass before. The mutants stay in
# mutants/, and `mutmut show NAME` prints one.
mutants: $(VENV)/.mutants
	rm -rf mutants
	set -f
	$(BIN)/mutmut run $(MODULES:%=daemon.core.%.*)
	$(BIN)/mutmut results
	$(BIN)/mutmut results --all true | awk '
	    { split($$1, part, "."); tried[part[3]] += !/not checked/; let_pass[part[3]] += /survived|no tests/ }
	    END { for (m in tried) if (tried[m]) printf "%-12s %5d mutants, %d let pass\n", m, tried[m], let_pass[m] }' | sort

clean:
	rm -rf $(VENV) build dist mutants .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment; a stamp says for what it was made ready ---

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	    echo "Tallystick needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Name another: make PYTHON=python3.12" >&2
	    exit 1
	}
	if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then
	    $(call apt,python3-venv) || {
	        echo "python3-venv is missing; install it: sudo apt-get install python3-venv" >&2
	        exit 1
	    }
	fi
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.product: $(VENV)/.made pyproject.toml
	@echo 'installing Tallystick into $(VENV) ...'
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml
	@echo 'installing Tallystick and what its tests need into $(VENV) ...'
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/.product

$(VENV)/.mutants: $(VENV)/.test
	@echo 'installing what breaks the core into $(VENV) ...'
	$(BIN)/pip install --quiet --editable '.[mutants]'
	touch $@

# --- Debian packages that some tests need: real servers, and the checker of our units ---

packages:
	@missing=()
	[ -x /usr/sbin/slapd ] || command -v slapd >/dev/null || missing+=(slapd)
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || missing+=(postgresql)
	command -v systemd-analyze >/dev/null || missing+=(systemd)
	[ $${#missing[@]} -gt 0 ] || exit 0
	echo "installing for the tests: $${missing[*]}"
	$(call apt,"$${missing[@]}") && exit 0
	echo "*** MISSING: $${missing[*]}. Tests that need them will be SKIPPED." >&2
	echo "*** Install them: sudo apt-get install $${missing[*]}" >&2
	[ "$${CI:-}" != true ] || exit 1

# RUNLEVEL=1: the packages' services are not started, the tests start their own.
define apt
{
    as=()
    [ "$$(id -u)" = 0 ] || as=(sudo -n)
    command -v apt-get >/dev/null \
    && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; } \
    && "$${as[@]}" apt-get update -qq \
    && "$${as[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -qq -y --no-install-recommends $(1) >/dev/null
}
endef
