# Two commands do everything: `make` sets up and runs the pipeline, `make test` sets up and runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-for-tests
SEARCH_STAMP := $(VENV)/.installed-for-search
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := run
.PHONY: run study search setup setup-tests test test-quick lint deps cards objectives results clean help

run: setup  ## set up, then run the pipeline of params.yaml (only what changed)
	dvc repro

study: setup  ## run a paper's arms over seeds: make study NAME=robustclap-mini, STUDY="--seeds 0 1 --jobs 2"
	$(BIN)/python -m studies $(NAME) $(STUDY)

search: setup $(SEARCH_STAMP)  ## serve the trained student on this machine: words to clips, a clip to captions
	$(BIN)/python -m stages.serve $(SEARCH)

setup: $(STAMP) .dvc/config.local  ## make .venv with pinned dependencies

$(STAMP): pyproject.toml constraints.txt tools/mend_torchaudio.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clapline needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[topics,minilm]'
	$(BIN)/python tools/mend_torchaudio.py
	touch $(STAMP)

setup-tests: setup $(TEST_STAMP)  ## add what the tests need

$(TEST_STAMP): $(STAMP)
	$(INSTALL) -e '.[test]'
	touch $(TEST_STAMP)

$(SEARCH_STAMP): $(STAMP)
	$(INSTALL) -e '.[search]'
	touch $(SEARCH_STAMP)

# An unpacked archive has no git history: DVC then works without it (metrics diff and exp need git).
.dvc/config.local: | $(STAMP)
	@if git -C $(CURDIR) rev-parse --show-toplevel 2>/dev/null | grep -qxF "$(CURDIR)"; then touch $@; \
	else echo "no git history here: dvc repro works, dvc metrics diff and dvc exp need git"; \
	printf '[core]\n    no_scm = True\n' > $@; fi

test: setup-tests  ## set up, then run all tests: the quick ones, then the slow ones
	$(BIN)/python -m pytest -m "not slow"
	$(BIN)/python -m pytest -m slow

test-quick: setup-tests  ## the quick tests alone
	$(BIN)/python -m pytest -m "not slow"

lint: setup-tests  ## ruff
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

deps: setup-tests  ## rewrite the code dependencies of dvc.yaml from the imports
	$(BIN)/python tools/stage_deps.py

cards: setup  ## rewrite docs/datasets.md from the cards of the datasets
	$(BIN)/python tools/dataset_cards.py

objectives: setup  ## rewrite docs/objectives.md from the docstrings of the objectives
	$(BIN)/python tools/objective_pages.py

results: setup  ## rewrite the tables of docs/results.md from docs/studies
	$(BIN)/python tools/study_tables.py

# Only what stages write: models/published is the user's own, studies and comparison pages cost hours.
clean:  ## remove what the pipeline made (not .work, models/published, reports/studies, reports/comparison)
	rm -rf data models/teacher models/student reports/index.html
	[ ! -d reports ] || find reports -mindepth 1 -maxdepth 1 -type d ! -name studies ! -name comparison -exec rm -rf {} +

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14
