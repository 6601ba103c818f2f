# `make lab` opens the notebooks, `make test` runs every test. Both make .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help lab test notebooks pictures format address

help:
	@echo "make lab        open the notebooks in JupyterLab"
	@echo "make test       run every test, the notebooks included"
	@echo "make notebooks  execute every notebook in place and normalise it (ONLY=02 for one)"
	@echo "make pictures   take the files in images/ out of the executed notebooks"
	@echo "make format     format code and notebooks"
	@echo "make address REPO=owner/name  set the repository's address everywhere"

$(VENV)/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"chapter14 needs Python 3.11 to 3.13, and %s is %d.%d: try make PYTHON=python3.12" \
		% (sys.executable, *sys.version_info[:2]))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
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
	$(BIN)/python -m pytest

notebooks: $(VENV)/ready-for-tests
	$(BIN)/python tools/run_notebooks.py $(ONLY)

pictures: $(VENV)/ready
	$(BIN)/python tools/take_pictures.py

format: $(VENV)/ready-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

address:
	$(PYTHON) tools/set_address.py $(REPO)
