# Needs only Python 3.11+ (Debian's own will do), make, and a route to a package index and an npm
# registry.
#   make demo ARGS="--data my.root"     make test ARGS="-k login"     make PYTHON=python3.12 test
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
ifeq ($(shell id -u),0)
ALLOW_ROOT := --allow-root
SAY_ROOT := echo "You are root, so this passes --allow-root: notebooks will run as root."
endif

.DEFAULT_GOAL := help
.PHONY: help env env-demo demo test lint models docs bench lock clean
MAKEFLAGS += --no-print-directory

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

env: ## .venv with everything, from the lock requirements/dev.txt
	@$(PYTHON) tools/bootstrap.py dev

env-demo:
	@$(PYTHON) tools/bootstrap.py all

demo: env-demo ## a facility, and a top-quark analysis on a Dask cluster in it
	@$(SAY_ROOT)
	@$(BIN)/casita demo $(ALLOW_ROOT) $(ARGS)

test: env ## all tests; installs the system packages they need where it may
	@$(PYTHON) tools/system_packages.py
	@$(BIN)/python -m pytest $(ARGS)

lint: env ## format, style, types, import rules of all languages, and what no file may name
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy tools
	$(BIN)/lint-imports
	$(BIN)/python tools/check_tree.py
	$(BIN)/python tools/docs.py --check
	$(BIN)/python tools/typescript.py --check
	$(PYTHON) tools/node.py extensions/lab tsc --noEmit
	$(PYTHON) tools/node.py tests/lab tsc --noEmit
	$(PYTHON) tools/node.py tests/lab lint
	$(PYTHON) tools/node.py tests/lab style --check

models: env ## the panel's TypeScript types, from the models in Python
	@$(BIN)/python tools/typescript.py

docs: env ## the pages in docs/, with the generated reference
	@$(BIN)/python tools/docs.py $(ARGS)

bench: env ## the measurements in benchmarks/
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## the locks (requirements/, yarn.lock) anew; ARGS=--upgrade for newer versions
	@$(PYTHON) tools/lock.py $(ARGS)

clean: ## remove .venv and everything made here; stop facilities first (casita down)
	rm -rf .venv .venv-uv* .venv-lab */lab/node_modules extensions/lab/labextension extensions/lab/.build-*
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
