# Trunkline needs Python 3.11 or newer, pip and make. Everything else goes into .venv, from hashed locks.
#
#   make demo                     install, start the platform, answer a call
#   make test ARGS="-k barge_in"  ARGS reaches the command behind demo, test and bench
#   make demo PYTHON=python3.12   the interpreter .venv is created with

VENV   ?= .venv
PYTHON ?= python3.13 python3.12 python3.11 python3.14 python3 python
ARGS   ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-input
# Wheels only: a package that would have to be compiled says so at once, and no foreign build script runs.
LOCKED := $(PIP) --only-binary :all: --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench chaos soak docs kokoro lock upgrade clean distclean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.embedded $(VENV)/.project  ## start the platform and answer a call, start to finish
	$(BIN)/trunkline demo $(ARGS)

test: $(VENV)/.dev $(VENV)/.project  ## run every test, the real models included
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

lint: $(VENV)/.dev $(VENV)/.project  ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.embedded $(VENV)/.project  ## measure the bus, then real calls
	$(BIN)/python -m bench.bus $(ARGS)
	$(BIN)/python -m bench.call_latency $(ARGS)

chaos: $(VENV)/.embedded $(VENV)/.project  ## kill and freeze processes under 50 calls, for a quarter of an hour
	$(BIN)/python -m bench.failover $(ARGS)

soak: $(VENV)/.embedded $(VENV)/.project  ## see whether anything grows in half an hour of calls
	$(BIN)/python -m bench.soak $(ARGS)

docs: $(VENV)/.embedded $(VENV)/.project  ## write the docs that follow from the channel table and from REST
	$(BIN)/python -m contracts.generate
	$(BIN)/python -m gateway_service.rest.openapi

kokoro: $(VENV)/.kokoro  ## add the Kokoro voice

clean:  ## remove caches and results
	rm -rf .hypothesis .import_linter_cache .grimp_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info build dist out
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean  ## remove .venv and what the platform stored, too
	rm -rf $(VENV) .trunkline

# ── .venv: each stamp is older than its lock exactly when there is something to install ──────────────────

$(VENV)/pyvenv.cfg:
	@for python in $(PYTHON); do \
	    "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null || continue; \
	    echo "Creating $(VENV) with $$python, $$("$$python" --version)"; \
	    "$$python" -m venv $(VENV) && exit 0; \
	    rm -f $@; \
	    echo "$$python cannot create a virtual environment. Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; \
	done; \
	echo "Trunkline needs Python 3.11 to 3.14; none of these is that and works: $(PYTHON)." >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.13)," >&2; \
	echo "or name one: make PYTHON=/path/to/python3.13" >&2; \
	exit 1

$(VENV)/.build: $(VENV)/pyvenv.cfg requirements/build.txt
	$(LOCKED) --requirement requirements/build.txt
	@touch $@

$(VENV)/.embedded: $(VENV)/.build requirements/embedded.txt requirements/no-deps.txt
	@echo "Installing the platform and its models: about 700 MB to fetch, the first time."
	$(LOCKED) --requirement requirements/embedded.txt
	$(LOCKED) --no-deps --requirement requirements/no-deps.txt
	@touch $@

# The development lock holds all of the embedded one, in the same versions.
$(VENV)/.dev: $(VENV)/.build requirements/dev.txt requirements/no-deps.txt
	$(LOCKED) --requirement requirements/dev.txt
	$(LOCKED) --no-deps --requirement requirements/no-deps.txt
	@touch $@ $(VENV)/.embedded $(VENV)/.kokoro

$(VENV)/.kokoro: $(VENV)/.embedded requirements/kokoro.txt
	$(LOCKED) --requirement requirements/kokoro.txt
	@touch $@

$(VENV)/.project: $(VENV)/.build pyproject.toml
	$(PIP) --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# ── Locks: one set for Linux and macOS and for every Python we support, the inputs being pyproject.toml and
# requirements/*.in. `make lock` keeps the versions that still fit; `make upgrade` takes the newest.

EMBEDDED := --extra analytics --extra gateway --extra llm --extra models --extra router --extra stt --extra tts-piper
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)

lock: $(VENV)/.build  ## write the locks anew, keeping versions that still fit
	$(LOCKED) --quiet --requirement requirements/lock.txt
	$(COMPILE) requirements/build.in --output-file requirements/build.txt
	$(COMPILE) requirements/lock.in --output-file requirements/lock.txt
	$(COMPILE) requirements/no-deps.in --no-deps --output-file requirements/no-deps.txt
	$(COMPILE) pyproject.toml $(EMBEDDED) --extra tts-kokoro --extra dev --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml $(EMBEDDED) --constraint requirements/dev.txt --output-file requirements/embedded.txt
	$(COMPILE) pyproject.toml --extra tts-kokoro --constraint requirements/dev.txt --output-file requirements/kokoro.txt

upgrade: UPGRADE := --upgrade
upgrade: lock  ## write the locks anew with the newest versions
