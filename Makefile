# An active virtual environment is used; without one, make builds its own in .venv. `make VENV=path …` names another.
VENV ?= $(or $(VIRTUAL_ENV),.venv)
BIN := $(VENV)/bin
STAMP := $(VENV)/.rivergate-installed

# The Python that .venv is made from: the first of these that is 3.11 or newer. `make PYTHON=path …` names another.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c $(IS_NEW_ENOUGH) 2>/dev/null && echo $(p))))
IS_NEW_ENOUGH := 'import sys; sys.exit(sys.version_info < (3, 11))'
NEEDS_PYTHON = rivergate needs Python 3.11 or newer, and $(1). \
	Install one (Debian: apt install python3.11 python3.11-venv; macOS: brew install python@3.12) or name it: make PYTHON=/path/to/python3.12

# The stamp says for which checkout the environment was filled; another checkout fills it anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types layers bench chaos chaos-planted format install clean

help: ## show what make can do here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## watch agents learn, propose, be judged and act on real telemetry (Ctrl-C ends it)
	@$(BIN)/rivergate demo shuttle

test: check ## everything in check, then all tests
	$(BIN)/python -m pytest

check: lint types layers ## ruff, mypy --strict and import-linter

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## measure ours beside bare loop, Quix Streams and Faust; writes benchmarks/results.json
	@$(BIN)/python -m tests.benchmarks

ROUNDS ?= 12
SEED ?= 1
HOSTS ?= local,ray

chaos: $(STAMP) ## strike a running app in ROUNDS rounds from SEED on and judge it from its topics
	@$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) --hosts $(HOSTS) $(CHAOS)

chaos-planted: $(STAMP) ## plant faults into the kernel and see that the checks of chaos find each
	$(BIN)/python -m pytest tests/chaos/planted.py

format: $(STAMP) ## let ruff format the code and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(STAMP) ## install rivergate and its tools into the virtual environment
	@echo 'rivergate is installed: $(BIN)/rivergate'

clean: ## remove .venv and what the tools keep
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@$(BIN)/python -c $(IS_NEW_ENOUGH) || { echo '$(call NEEDS_PYTHON,the environment $(VENV) has an older one)' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@echo 'installing into $(VENV) (a few hundred megabytes the first time)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@echo '$(CURDIR)' > $@

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo '$(call NEEDS_PYTHON,no python3 here is)' >&2; exit 1; }
	@$(PYTHON) -c $(IS_NEW_ENOUGH) || { echo '$(call NEEDS_PYTHON,$(PYTHON) is older)' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'this Python cannot make virtual environments; Debian: apt install python3-venv' >&2; exit 1; }
