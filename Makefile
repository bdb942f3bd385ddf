# Two commands are enough: `make run` and `make test`. Each does all of its own set-up, once.
#
# Settings come from the environment, from `.env`, or from the command line: `make run PORT=8080`.
# PYTHON names another interpreter than python3 for the virtualenv.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test lint setup clean
# Two set-up steps may both want Node; one after the other they want it once.
.NOTPARALLEL:

SETUP := deploy/setup.sh
ARGS ?=

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

run: setup ## start the server, on http://127.0.0.1:3000 with demonstration data unless told otherwise
	@deploy/setup/start.sh

test: .venv/.tools static/vendor/.stamp tests/clients/node_modules/.stamp ## check style, run all tests
	@$(SETUP) system
	@.venv/bin/ruff check --quiet .
	@deploy/setup/tests.sh $(ARGS)

lint: .venv/.tools ## check style only
	@.venv/bin/ruff check .

# Without the browser files the server works all the same, so `make run` goes on where `make test` stops.
setup: .venv/.requirements ## fetch what the server needs, without starting it
	@$(MAKE) --no-print-directory --silent static/vendor/.stamp 2>/dev/null || echo "  Browser files could not be \
	fetched (see .make/setup.log): the server works, pages stay without live updates and charts."

clean: ## remove what set-up and tests made; instance/ (your data) and .env stay
	@rm -rf .venv .make static/vendor tests/clients/node_modules tests/artifacts
	@rm -rf .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp lies inside what it vouches for, so that deleting the one deletes the other.
.venv/.requirements: requirements.txt
	@$(SETUP) python

.venv/.tools: tests/requirements.txt .venv/.requirements
	@$(SETUP) tools

static/vendor/.stamp: static/package-lock.json | .venv/.requirements
	@$(SETUP) frontend

tests/clients/node_modules/.stamp: tests/clients/package-lock.json | .venv/.requirements
	@$(SETUP) clients
