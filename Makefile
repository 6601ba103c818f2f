# `make lab` opens the notebooks, `make test` runs every test. Both make .venv first.
PYTHON ?= python3
PYTHON311 ?= python3.11
PYTHON313 ?= python3.13
# The versions to install; `make test CONSTRAINTS=` takes the newest.
CONSTRAINTS ?= constraints.txt
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
# A stamp's name says what the environment was made from, the tools' settings in pyproject.toml
# aside: anything else makes it again.
MADE_FROM := $(shell { $(PYTHON) -c 'import sys; print(sys.version, sys.base_prefix)'; \
	sed '/^\[tool/,$$d' pyproject.toml; cat requirements.txt $(CONSTRAINTS); } 2>/dev/null | cksum | cut -d' ' -f1)
READY := $(VENV)/ready-$(MADE_FROM)
READY_TO_TEST := $(VENV)/ready-to-test-$(MADE_FROM)
READY_TO_MUTATE := $(VENV)/ready-to-mutate-$(MADE_FROM)
READY_FOR_SETTINGS := $(VENV)/ready-for-settings-$(MADE_FROM)
PYTEST_OFFLINE := $(BIN)/python tools/offline.py $(BIN)/python -m pytest --mpl

.DEFAULT_GOAL := help
.PHONY: help lab test notebooks normalize format pictures constraints release address test-colab \
	test-kaggle test-jupyter test-settings test-lowest test-newest test-order test-places \
	test-seeds test-mutants test-audit

help:
	@echo "make lab           open the notebooks in JupyterLab"
	@echo "make test          run every test, the notebooks included"
	@echo "make notebooks     execute every notebook in place (ONLY=02 for one)"
	@echo "make normalize     clean up after editing in Jupyter, without running anything"
	@echo "make format        format code and notebooks"
	@echo
	@echo "make test-colab    each notebook alone in Colab's versions (Python 3.13)"
	@echo "make test-kaggle   the same in Kaggle's (Python 3.11)"
	@echo "make test-jupyter  the first lesson alone in a plain Jupyter (Python 3.13)"
	@echo "make test-settings a reader's settings, exports, digits, memory, each way to install"
	@echo "make test-lowest   every test on the lowest versions supported (Python 3.11)"
	@echo "make test-newest   every test on the newest versions (Python 3.13)"
	@echo "make test-order    each section twice, and again after the end"
	@echo "make test-places   each notebook in a read-only folder, without a home directory"
	@echo "make test-seeds    the asserted ranges over ten seeds, an hour (ONLY=02 for one)"
	@echo "make test-mutants  how many planted bugs the tests find, an hour"
	@echo "make test-audit    known vulnerabilities of the packages in constraints.txt"
	@echo
	@echo "make pictures      write images/ from the outputs of the notebooks"
	@echo "make constraints   test the newest versions (Python 3.11), then write constraints.txt"
	@echo "make release VERSION=0.2.0    set the version everywhere, commit, and tag"
	@echo "make address REPO=owner/name  set the repository's address everywhere"

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and \
		"chapter14 needs Python 3.11 to 3.13, and %s is %d.%d: try make PYTHON=python3.12" \
		% (sys.executable, *sys.version_info[:2]))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "Installing into $(VENV). TensorFlow is a download of several hundred megabytes."
	$(PIP_INSTALL) --requirement requirements.txt
	@touch $@

$(READY_TO_TEST): $(READY)
	$(PIP_INSTALL) --editable ".[test]"
	@touch $@

$(READY_TO_MUTATE): $(READY_TO_TEST)
	$(PIP_INSTALL) --editable ".[mutants]"
	@touch $@

$(READY_FOR_SETTINGS): $(READY_TO_TEST)
	$(PIP_INSTALL) --editable ".[settings]"
	@touch $@

lab: $(READY)
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/notebooks

# The browser alone, since milliseconds are asserted there; then two files at once, in their order.
test: $(READY_TO_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYTEST_OFFLINE) tests/browser
	$(PYTEST_OFFLINE) --ignore=tests/browser --numprocesses=2 --dist=loadfile --no-loadscope-reorder

notebooks: $(READY)
	$(BIN)/python tools/notebooks.py execute $(ONLY)

normalize: $(READY)
	$(BIN)/python tools/notebooks.py normalize $(ONLY)

format: $(READY_TO_TEST)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-colab test-jupyter: PLACE_PYTHON := $(PYTHON313)
test-kaggle: PLACE_PYTHON := $(PYTHON311)
test-colab test-kaggle test-jupyter: test-%: $(READY_TO_TEST)
	test -x .venv-$*/bin/python || $(PLACE_PYTHON) -m venv .venv-$*
	PLACE=$* $(BIN)/python -m pytest -s tests/slow/alone.py

test-settings: $(READY_FOR_SETTINGS)
	$(PYTEST_OFFLINE) tests/slow/settings.py tests/slow/digits.py tests/slow/memory.py
	PYTHON313=$(PYTHON313) $(BIN)/python -m pytest tests/slow/installs.py

test-lowest:
	$(PYTHON311) tools/lowest.py > .lowest.txt
	$(MAKE) test VENV=.venv-lowest PYTHON=$(PYTHON311) CONSTRAINTS=.lowest.txt

test-newest:
	rm -rf .venv-newest
	$(MAKE) test VENV=.venv-newest PYTHON=$(PYTHON313) CONSTRAINTS=

test-order: $(READY_TO_TEST)
	$(BIN)/python -m pytest tests/slow/order.py

test-places: $(READY_TO_TEST)
	$(PYTEST_OFFLINE) tests/slow/places.py

test-seeds: $(READY_TO_TEST)
	$(BIN)/python tests/slow/seeds.py $(ONLY)

test-mutants: $(READY_TO_MUTATE)
	$(BIN)/python tools/mutants.py

test-audit:
	test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && \
		.venv-audit/bin/pip install "pip-audit>=2.9"; }
	.venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

pictures: $(READY)
	$(BIN)/python tools/notebooks.py pictures

# From the lowest Python, so that the versions exist for the others too.
constraints:
	rm -rf .venv-constraints
	$(MAKE) test VENV=.venv-constraints PYTHON=$(PYTHON311) CONSTRAINTS=
	{ echo "# The versions with which every test last passed: pip install -r requirements.txt -c constraints.txt"; \
		.venv-constraints/bin/python -m pip freeze --exclude-editable; } > constraints.txt

release:
	$(PYTHON) tools/release.py version $(VERSION)

address:
	$(PYTHON) tools/release.py address $(REPO)
