# `make demo` and `make test` do all the set-up that they need; `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: setup demo test test-slow test-minkowski fuzz soak lint clean help

# The interpreter to build the environment from (default: a python3 of version 3.11 to 3.13).
PYTHON ?=
export PYTHON
# A scene folder for `make demo`; without one a furnished room is rendered.
SCENE ?=

# How long `make fuzz` runs, and what its inputs are drawn from.
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 0
# How long `make soak` runs.
SOAK_SECONDS ?= 3600

# Tests run side by side on two cores, then those with nodes (test/conftest.py marks them), a file
# at a time each, then those that measure time, alone. Plug-ins are those that pyproject.toml names: ROS installs outdated ones.
PYTEST := PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest
WITH_TESTS := PYTHONPATH=.:test$${PYTHONPATH:+:$$PYTHONPATH}

setup: ## Build the Python environment and the ROS 2 workspace
	@scripts/setup.sh

demo: setup ## Map a scene through the nodes, ask questions, leave pictures in demo_out/
	@. ./activate
	om3d demo --out demo_out $(if $(SCENE),--scene "$(SCENE)")

lint: setup ## Check style (ruff) and types (mypy)
	@. ./activate
	python -m ruff check .
	python -m mypy

test: lint ## Check style and types, then run the tests but the slow ones
	@. ./activate
	$(PYTEST) -n 2 -m "not nodes and not slow"
	$(PYTEST) -n 2 --dist loadfile -m "nodes and not alone and not slow"
	$(PYTEST) -m "alone and not slow"

test-slow: setup ## Run the slow tests
	@. ./activate
	$(PYTEST) -n 2 -m "not nodes and slow"
	$(PYTEST) -m "nodes and slow"

test-minkowski: setup ## Build MinkowskiEngine, compare layers, network and speed with it
	@scripts/build_minkowski.sh .venv-minkowski .venv/bin/python
	PYTHONPATH=. .venv-minkowski/bin/python -m pytest -p no:cacheprovider -s -W ignore test/minkowski

fuzz: setup ## Give changed input to readers and nodes for FUZZ_SECONDS (600); fail if they do
	@. ./activate
	$(WITH_TESTS) python -m fuzz \
	    --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) --keep fuzz_out

soak: setup ## Feed and ask both nodes at full speed for SOAK_SECONDS (3600); fail if they grow
	@. ./activate
	$(WITH_TESTS) python -m soak --seconds $(SOAK_SECONDS) --out soak_out

clean: ## Remove all that was built or set up
	rm -rf .venv .venv-minkowski build install log demo_out fuzz_out soak_out .mypy_cache .pytest_cache .ruff_cache .setup.lock

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
