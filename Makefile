# Two commands do everything: `make` sets up and runs the pipeline, `make test` sets up and runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := run
.PHONY: run setup test test-quick lint deps clean help

run: setup  ## set up, then run the pipeline of params.yaml (only what changed)
	dvc repro

setup: $(STAMP) .dvc/config.local  ## make .venv with pinned dependencies

$(STAMP): pyproject.toml constraints.txt tools/mend_torchaudio.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clapline needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[topics,minilm,test]'
	$(BIN)/python tools/mend_torchaudio.py
	touch $(STAMP)

# An unpacked archive has no git history: DVC then works without it (metrics diff and exp need git).
.dvc/config.local: | $(STAMP)
	@if git -C $(CURDIR) rev-parse --show-toplevel 2>/dev/null | grep -qxF "$(CURDIR)"; then touch $@; \
	else echo "no git history here: dvc repro works, dvc metrics diff and dvc exp need git"; \
	printf '[core]\n    no_scm = True\n' > $@; fi

test: setup  ## set up, then run all tests: the quick ones, then the slow ones
	$(BIN)/python -m pytest -m "not slow"
	$(BIN)/python -m pytest -m slow

test-quick: setup  ## the quick tests alone
	$(BIN)/python -m pytest -m "not slow"

lint: setup  ## ruff
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

deps: setup  ## rewrite the code dependencies of dvc.yaml from the imports
	$(BIN)/python tools/stage_deps.py

clean:  ## remove what the pipeline made (not the stores in .work)
	rm -rf data models reports/*/ reports/index.html

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14
