# Longshore: two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup check format demo demo-down test soak bench package clean
python := .venv/bin/python
lab := $(python) molecule/shared/lab

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: ## Everything into .venv, with .venv/bin/longshore
	@tests/setup.sh

check: setup ## Lint, types and unit tests (for developers)
	@$(python) tests/gates

format: setup ## Lay out the Python files as `make check` wants them
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

demo: setup ## Three servers on this machine, with the sample stack running on them
	@tests/demo.sh

demo-down: setup ## Take the demo away
	@$(lab) down --name lab

test: setup ## Everything; PART=stack runs one part, KEEP=1 keeps the lab, PART=list names the parts
	@$(python) tests/run $(PART)

soak: setup ## The long load and fault campaigns, with their figures in docs/figures/
	@$(python) tests/soak

bench: setup ## The speed figures, in docs/figures/bench.json
	@$(python) tests/bench

package: setup ## The wheel and the collection's tarball, in dist/
	@tests/package/build.sh dist

clean: ## Remove the lab, its images, .venv and everything that was built
	@if [ -x $(python) ]; then $(lab) down --purge; fi
	@rm -rf .venv .ansible .cache .lab dist .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/output
