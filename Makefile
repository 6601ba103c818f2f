# `make lab` opens the notebooks, `make test` runs every test. Both make .venv first.
PYTHON ?= python3
PYTHON311 ?= python3.11
PYTHON313 ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
# Whole files, in their order; not in the browser, where milliseconds are asserted.
TWO_AT_ONCE := --numprocesses=2 --dist=loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help lab test test-colab test-floors test-newest test-order test-places test-seeds \
	audit constraints notebooks pictures format address

help:
	@echo "make lab        open the notebooks in JupyterLab"
	@echo "make test       run every test, the notebooks included"
	@echo
	@echo "make test-colab    each notebook alone in Colab's versions (Python 3.13), 15 minutes"
	@echo "make test-floors   every test on the oldest versions that are claimed (Python 3.11)"
	@echo "make test-newest   every test on the newest of all (Python 3.13)"
	@echo "make test-places   each notebook in a read-only folder with a strange name, without a home"
	@echo "make test-order    each section twice, and again after the end"
	@echo "make test-seeds    the asserted ranges over ten seeds, an hour"
	@echo "make audit         known weaknesses of the packages in constraints.txt"
	@echo "make constraints   write the installed versions to constraints.txt, after make test"
	@echo
	@echo "make notebooks  execute every notebook in place and normalise it (ONLY=02 for one)"
	@echo "make pictures   take the files in images/ out of the executed notebooks"
	@echo "make format     format code and notebooks"
	@echo "make address REPO=owner/name  set the repository's address everywhere"

$(VENV)/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and \
		"chapter14 needs Python 3.11 to 3.13, and %s is %d.%d: try make PYTHON=python3.12" \
		% (sys.executable, *sys.version_info[:2]))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/ready-for-tests: $(VENV)/ready tests/requirements.txt
	$(BIN)/python -m pip install --quiet -r tests/requirements.txt
	@touch $@

lab: $(VENV)/ready
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/notebooks

test: $(VENV)/ready-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/offline.py $(BIN)/python -m pytest tests/browser
	$(BIN)/python tools/offline.py $(BIN)/python -m pytest $(TWO_AT_ONCE) --ignore=tests/browser

test-colab: $(VENV)/ready-for-tests
	test -x .venv-colab/bin/python || $(PYTHON313) -m venv .venv-colab
	COLAB_PYTHON=.venv-colab/bin/python $(BIN)/python -m pytest -s tests/slow/colab.py

test-floors:
	$(PYTHON311) tools/floors.py > .floors.txt
	PIP_CONSTRAINT=.floors.txt $(MAKE) test VENV=.venv-floors PYTHON=$(PYTHON311)

test-newest:
	rm -rf .venv-newest
	PIP_CONSTRAINT= $(MAKE) test VENV=.venv-newest PYTHON=$(PYTHON313)

test-places: $(VENV)/ready-for-tests
	$(BIN)/python tools/offline.py $(BIN)/python -m pytest tests/slow/places.py

test-order: $(VENV)/ready-for-tests
	$(BIN)/python -m pytest tests/slow/order.py

test-seeds: $(VENV)/ready-for-tests
	$(BIN)/python tests/slow/seeds.py $(ONLY)

audit:
	test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && \
		.venv-audit/bin/pip install --quiet "pip-audit>=2.9"; }
	.venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

constraints: $(VENV)/ready-for-tests
	{ echo "# The versions with which every test last passed: pip install -r requirements.txt -c constraints.txt"; \
		$(BIN)/python -m pip freeze --exclude-editable; } > constraints.txt

notebooks: $(VENV)/ready-for-tests
	$(BIN)/python tools/run_notebooks.py $(ONLY)

pictures: $(VENV)/ready
	$(BIN)/python tools/take_pictures.py

format: $(VENV)/ready-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

address:
	$(PYTHON) tools/set_address.py $(REPO)
