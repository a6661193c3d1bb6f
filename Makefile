# One word a job; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
PYTHON ?= python3
CORES ?= all
# What was typed is told again after Ctrl-C.
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) --workflow-profile workflow/profiles/default \
	--logger-spml-command '$(strip make $@ $(MAKEOVERRIDES))'
STAMP := $(VENV)/.locked

export PATH := $(abspath $(BIN)):$(PATH)
# One thread a process: jobs run side by side, and more threads would fight over the cores.
export OMP_NUM_THREADS ?= 1

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | column -t -s '|'

.PHONY: setup
setup: $(STAMP) ## Create .venv from the hash-pinned lock

# Bytecode is compiled now, since where PYTHONDONTWRITEBYTECODE is set, as in container images, each
# of a hundred processes would compile torch anew, which takes longer than it trains.
$(STAMP): envs/requirements.lock pyproject.toml
	@test ! -L $(VENV) || { echo "error: $(VENV) is a link, and what it leads to would be emptied;" \
		"remove the link, and make setup creates a folder" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@echo "Setting up $(VENV) (about 5 GB: torch brings its CUDA libraries)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		-r envs/requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: demo
demo: $(STAMP) ## Run the whole pipeline on the embedded dataset
	@started=$$SECONDS; $(SNAKEMAKE); \
	python -m spml.show; \
	echo "make demo took $$((SECONDS - started)) s"

.PHONY: demo-all
demo-all: $(STAMP) ## The same with every method, the ablations of GR and other draws of the labels
	$(SNAKEMAKE) --configfile config/all_methods.yaml
	python -m spml.show

.PHONY: show
show: $(STAMP) ## Print a table (EXHIBIT=gr_main_table), or what is done and what is missing
	@python -m spml.show $(EXHIBIT)

.PHONY: plan
plan: $(STAMP) ## What would run, why, how long and how large (ARGUMENTS="--configfile config/paper.yaml", MEASURE=1)
	@python -m spml.plan $(if $(MEASURE),--measure) $(ARGUMENTS)

.PHONY: doctor
doctor: $(STAMP) ## What would make a run fail later (ARGUMENTS="--configfile config/paper.yaml")
	@python -m spml.doctor $(ARGUMENTS)

.PHONY: search
search: $(STAMP) ## Choose hyperparameters by validation mAP (ARGUMENTS="--configfile my_search.yaml")
	$(SNAKEMAKE) $(or $(ARGUMENTS),--configfile config/search_digits.yaml) \
		-- extra_search extra_search_curves extra_selection
	python -m spml.show extra_search

.PHONY: check
check: $(STAMP) ## Format, lint, type, vulnerability and secret checks, all of which must be clean
	ruff check .
	ruff format --check .
	snakefmt --check -l 100 Snakefile workflow/Snakefile workflow/rules
	snakemake --lint
	mypy
	python envs/audit.py
	git ls-files -z ':!envs/secrets.json' | xargs -0 detect-secrets-hook --baseline envs/secrets.json

.PHONY: audit-list
audit-list: $(STAMP) ## Fetch the list of known vulnerabilities anew, and compare
	python envs/audit.py --refresh

# Bytecode is kept, or each of the processes that tests start would compile the package anew. A
# third process works while others wait for what they started.
.PHONY: test
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP) ## Run all tests
	python -m pytest -n 3 --dist worksteal tests

.PHONY: bench
bench: $(STAMP) ## Measure speed: losses, training, metrics, packing, planning; losses beside another package's
	python tests/benchmarks/losses.py
	python tests/benchmarks/engine.py
	python tests/benchmarks/heads.py
	python tests/benchmarks/features.py
	python tests/benchmarks/metrics.py
	python tests/benchmarks/pack.py
	python tests/benchmarks/planning.py
	python tests/benchmarks/library.py

.PHONY: docs
docs: $(STAMP) ## Make a site of the documentation, build/docs/index.html
	python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env -c docs . build/docs

.PHONY: lock
lock: $(STAMP) ## Resolve envs/requirements.in into the lock anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --output-file envs/requirements.lock envs/requirements.in

.PHONY: dist
dist: $(STAMP) ## Build the package, as dist/*.whl and dist/*.tar.gz
	$(BIN)/uv build --quiet --python $(BIN)/python --no-build-isolation --no-create-gitignore --out-dir dist

.PHONY: clean
clean: ## Delete results, packed images and checkpoints, but not downloads or .venv
	@if [ -L data ]; then echo "data is a link: what others may use there stays"; \
	else rm -rf data/packed data/checkpoints; fi
	rm -rf .snakemake
	find -H results -mindepth 1 -not -name README.md -delete
