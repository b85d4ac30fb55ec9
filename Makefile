# Two commands are enough on a fresh machine with Python 3.11 or newer: `make run` and `make test`.
#
#   make run ROOT=/volumes/footage PORT=9000 ARGS=--open
#
# The environment lives in .venv. It is made once and touched again only when pyproject.toml changes.

ROOT ?=
HOST ?=
PORT ?=
ARGS ?=
PYTHON ?=
PYTEST_ARGS ?=
KILLS ?= 500
STATES ?= 2000

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input install

# Some shells export HOST as the name of the machine; only a HOST given to make itself counts.
ifneq ($(origin HOST),command line)
HOST :=
endif

.DEFAULT_GOAL := help
.PHONY: help run venv test check bench faults clean

help:
	@echo "make run      serve a folder      ROOT=./media  HOST=127.0.0.1  PORT=8787  ARGS='--open'"
	@echo "make test     lint, check types, run all tests            PYTEST_ARGS='-k words'"
	@echo "make venv     only prepare; afterwards .venv/bin/filmcan works"
	@echo "make check    lint and check types"
	@echo "make bench    measure"
	@echo "make faults   the long fault laboratory                   KILLS=500  STATES=2000"
	@echo "make clean    remove what the above have made (never a media folder)"

run: export SERVE_ROOT = $(ROOT)
run: export SERVE_HOST = $(HOST)
run: export SERVE_PORT = $(PORT)
run: $(VENV)/.ready
	@set -- serve; \
	[ -z "$$SERVE_ROOT" ] || set -- "$$@" "$$SERVE_ROOT"; \
	[ -z "$$SERVE_HOST" ] || set -- "$$@" --host "$$SERVE_HOST"; \
	[ -z "$$SERVE_PORT" ] || set -- "$$@" --port "$$SERVE_PORT"; \
	exec $(BIN)/python -m tools "$$@" $(ARGS)

venv: $(VENV)/.ready

test: check
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.ready-to-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

bench: $(VENV)/.ready-to-test
	$(BIN)/python -m tests.bench $(ARGS)

faults: export FILMCAN_KILLS = $(KILLS)
faults: export FILMCAN_FAULTS = release
faults: export FILMCAN_FAULTS_CUTS = $(STATES)
faults: $(VENV)/.ready-to-test
	$(BIN)/python -m pytest tests/faults -m "long or not long" --timeout=7200 $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) .venv-ascmhl build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find cas davfront views tools tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml $(BIN)/python
	@echo "filmcan: installing into $(VENV) (only when pyproject.toml has changed)"
	@$(PIP) --editable '.[media,share]'
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready
	@echo "filmcan: installing what the tests need"
	@$(PIP) --editable '.[media,share,test]'
	@touch $@

$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	[ -n "$$python" ] || { echo "filmcan needs Python 3.11 or newer, and $(or $(PYTHON),python3) is older or missing:" \
		"install one, or name it with 'make run PYTHON=/path/to/python3'." >&2; exit 1; }; \
	"$$python" -m venv --clear $(VENV) || { rm -rf $(VENV); echo "filmcan could not make $(VENV):" \
		"this Python lacks the venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
