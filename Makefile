# `make demo` and `make test` set up all that they need; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PACKAGES := schemas routing streams desk deploy
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
ARGS ?=
# The tests of real services wait more than they work, so three run at a time, each with services of its own.
SPREAD ?= -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test unit lint format bench peers lock services clean

help: ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(VENV)/demo ## Start everything on this machine with sample mentions (ARGS=--once: one round to the end)
	@$(BIN)/silofrei demo $(ARGS)

test: lint services ## Lint, types, architecture and all tests; installs what they need
	@$(BIN)/python -m pytest $(SPREAD) $(ARGS)

unit: $(VENV)/dev ## The fast tests alone, with fewer of Hypothesis' examples
	@$(BIN)/python -m pytest tests/unit -m "not slow" --hypothesis-profile=quick $(ARGS)

lint: $(VENV)/dev build/tree ## ruff, mypy --strict and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(foreach package,$(PACKAGES),-p silofrei.$(package)) -p benchmarks
	@$(BIN)/lint-imports

format: $(VENV)/dev ## Put the code into the house form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/dev peers ## Measure beside the peers (ARGS=--quick: short; ARGS=--help: the rest)
	@$(BIN)/python -m benchmarks $(ARGS)

peers: $(PEERS)/made ## The environment of the benchmark's peers

services: $(VENV)/dev ## Chromium, Prometheus and a real Kafka for the tests
	@./tests/install-services.sh $(BIN)

lock: $(VENV)/dev ## Pin the newest allowed versions, with hashes and without addresses
	@./requirements/lock.sh $(BIN)

clean: ## Remove the environment, caches and local data
	rm -rf $(VENV) $(PEERS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache silofrei-data screenshots

$(VENV)/pip: requirements/build.txt
	@echo "Creating the environment in $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Silofrei needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(PIP) -r requirements/build.txt
	@touch $@

# The demo's packages are part of the developers', so that one environment serves both.
$(VENV)/demo: requirements/demo.txt pyproject.toml $(VENV)/pip
	@echo "Installing the packages ..."
	@$(PIP) -r requirements/demo.txt
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/demo
	@echo "Installing the developers' packages ..."
	@$(PIP) -r requirements/dev.txt
	@touch $@

# Without Quix Streams and Bytewax the benchmark goes on and says so.
$(PEERS)/made: benchmarks/peers/requirements.txt pyproject.toml
	@echo "Installing the benchmark's peers in $(PEERS) ..."
	@$(PYTHON) -m venv $(PEERS)
	@{ $(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps -r $< \
	  && $(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e . \
	  && touch $@; } || echo "They cannot be installed here; the benchmark leaves them out" >&2

build/tree:
	@mkdir -p build/tree/silofrei
	@for package in $(PACKAGES); do ln -sfn ../../../$$package build/tree/silofrei/$$package; done
