# Every target does its own set-up. Needs git, make and Python 3.11 to 3.13.
# PYTHON=/path/to/python3.12 chooses the interpreter; ARGS='-k dates' goes to pytest, ARGS='-n 0' runs it in one process.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The environment's stamp is named after what it was installed from: only a changed lock rebuilds it.
LOCK := envs/requirements-dev.txt
ENV := .venv/.locked-$(firstword $(shell sha256sum $(LOCK)))
READY := .venv/.ready
BIN := .venv/bin

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(ENV): | $(LOCK)
	@bash envs/install.sh $(LOCK) .venv
	@touch $@

$(READY): $(ENV) pyproject.toml
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: $(READY) ## build, approve and publish the demo cohort
	@$(BIN)/sluice demo

.PHONY: test
test: $(READY) ## all tests; what this machine lacks is skipped and listed
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)

.PHONY: lint
lint: $(READY) ## ruff, mypy, import-linter, snakemake --lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tests/system/lint_workflow.py

.PHONY: format
format: $(READY) ## rewrite the code in the house's layout
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(READY) ## measure every stage; writes benchmarks/out/
	@$(BIN)/python -m benchmarks.run

.PHONY: system
system: ## list the system parts that tests use; install them when root
	@bash tests/system/parts.sh

.PHONY: screenshot
screenshot: demo ## picture of the demo's report for the README
	@$(BIN)/python docs/screenshot.py

.PHONY: lock
lock: $(READY) ## resolve the dependencies anew, with hashes
	@bash envs/lock.sh

.PHONY: clean
clean: ## remove the environment and caches; never work, vault or store
	@rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
