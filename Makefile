# The developer's and newcomer's interface. Every target is idempotent and safe to interrupt.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CORES ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo test test-all bench lint format proto config blast-radius lock slurm-profile clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 12

setup: $(STAMP) ## create .venv, install the locked dependencies, make sure vsearch is there
	@$(BIN)/python -m abyssal.system_check

$(STAMP): pyproject.toml requirements.lock
	@echo "==> creating $(VENV) and installing the locked dependencies (CPU PyTorch; a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit("Abyssal needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@envs/install_python.sh $(BIN)/python
	@touch $@

demo: setup ## reads to bundle to served answer, on the data that ship (about three minutes on two cores)
	@$(BIN)/python -m abyssal.demo --cores $(CORES)

test: setup ## the test suite (fast tests; what CI runs)
	@$(BIN)/python -m abyssal.system_check --tests
	@$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-all: setup ## every test, also those that take minutes
	@$(BIN)/python -m abyssal.system_check --tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: setup ## reads to a count table beside cutadapt + vsearch and cutadapt + DADA2 (minutes)
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.reads.bench $(BENCH_ARGS)

lint: setup ## ruff, mypy, snakefmt, snakemake --lint, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/snakefmt --check Snakefile workflow
	@$(BIN)/snakemake --lint
	@$(BIN)/lint-imports

format: setup ## rewrite Python and Snakemake files in the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/snakefmt Snakefile workflow

proto: setup ## regenerate the gRPC stubs with the pinned compiler
	@$(BIN)/python proto/generate.py

config: setup ## regenerate the JSON schema and the table of keys from the typed models
	@$(BIN)/python -m abyssal.config.generate

blast-radius: setup ## regenerate the table of what a changed config key re-runs
	@PYTHONPATH=tests $(BIN)/python -m support.blast_radius

lock: ## resolve the pinned dependencies anew (needs uv)
	@UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" uv pip compile -q pyproject.toml --all-extras --no-emit-package torch --no-annotate --no-header -o requirements.lock

slurm-profile: ## link workflow/profiles/slurm to where `snakemake --profile slurm` looks for it
	@link="$${XDG_CONFIG_HOME:-$$HOME/.config}/snakemake/slurm"; \
	if [ -e "$$link" ] && [ ! -L "$$link" ]; then \
	    echo "$$link is a profile of your own, not a link; expected none there. Move it away and repeat," \
	        "or start Snakemake with --profile $(CURDIR)/workflow/profiles/slurm" >&2; exit 1; fi; \
	mkdir -p "$${link%/*}"; ln -sfn "$(CURDIR)/workflow/profiles/slurm" "$$link"

clean: ## remove results and caches; keeps .venv
	@rm -rf results logs benchmarks .snakemake .mypy_cache .pytest_cache .ruff_cache .hypothesis
