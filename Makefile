# make demo | test | lint | coverage, on Debian 12 with Python 3.11 or newer and nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv trusts what the system trusts, as pip does: laboratories sit behind proxies.
export UV_SYSTEM_CERTS := 1
# uv installs without bytecode. Where this is set, each process of a test would compile torch again: 4 s.
unexport PYTHONDONTWRITEBYTECODE
# One thread per test process: two of them run at a time. COVER is set by `make coverage`.
COVER :=
PYTEST = env OMP_NUM_THREADS=1 COVERAGE_FILE=$(CURDIR)/.coverage.$@ $(BIN)/python -m pytest -q $(COVER)
# Software OpenGL takes all cores otherwise.
DISPLAYED = -s "-screen 0 1600x1200x24" env LP_NUM_THREADS=1 $(PYTEST) --suite=gui
# `--suite=NAME` is one word below: there is a folder packaging/, which pytest would take for a path of tests.
# Plugins that would import Qt into processes that must do without.
HEADLESS := -p no:pytest-qt -p no:napari -p no:napari-plugin-engine -p no:npe2

.PHONY: setup demo test test-lowest test-bindings lint coverage test-core test-gui test-gui-editing test-gui-docks test-torch test-packaging constraints clean docs notebook gallery

setup: $(READY)

$(READY): pyproject.toml constraints.txt scripts/system_packages.sh
	bash scripts/system_packages.sh
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# uv takes a minute where pip takes several; pip does it where uv cannot.
	$(BIN)/python -m pip install -q -c constraints.txt uv || echo "uv is not available here; using pip."
	if test -x $(BIN)/uv && $(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[all,cluster,compress,sweep,test,test-plugins]'; then :; \
	else $(BIN)/python -m pip install -q -c constraints.txt -e '.[all,cluster,compress,sweep,test,test-plugins]'; fi
	touch $(READY)

demo: setup
	$(BIN)/napari-centermask demo

test: lint test-core test-gui test-torch test-packaging

lint: setup
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy --config-file scripts/mypy.ini scripts docs/*.py
	$(BIN)/npe2 validate napari-centermask

# Three processes that never meet: napari with torch in one process crashes on Linux (docs/architecture.md).
test-core: setup
	$(PYTEST) --suite=core -n 2 $(HEADLESS)

# Two processes, each on a display of its own.
test-gui: setup
	@command -v xvfb-run >/dev/null || { echo "Tests that draw need Xvfb: sudo bash scripts/system_packages.sh"; exit 1; }
	$(MAKE) --no-print-directory -j2 --output-sync=target test-gui-editing test-gui-docks

EDITING := tests/e2e/ tests/widgets/edit/ tests/widgets/viability/ tests/widgets/measure/ tests/widgets/tracks/
DOCKS := $(filter-out $(EDITING) %/__pycache__/,$(wildcard tests/widgets/*/ tests/widgets/test_*.py))

test-gui-editing:
	xvfb-run -a -n 110 $(DISPLAYED) $(EDITING)

test-gui-docks:
	xvfb-run -a -n 120 $(DISPLAYED) $(DOCKS)

test-torch: setup
	$(PYTEST) --suite=torch -n 2 $(HEADLESS)

test-packaging: setup
	$(PYTEST) --suite=packaging $(HEADLESS)

# The lower bounds in pyproject.toml, each at its lowest. What old packages warn of is not ours.
test-lowest: setup
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	$(BIN)/uv pip install -q --python .venv-lowest/bin/python --resolution lowest-direct -e '.[cluster,figures,formats,onnx,test]'
	env OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -q --suite=core -n 2 $(HEADLESS) -W ignore::DeprecationWarning

# The tests that draw, on Qt bindings other than PyQt6, each in an environment of its own: make test-bindings BINDINGS=PyQt5
# With the torch of constraints.txt, which uv links from its cache: the journey (tests/e2e) fine-tunes in a child process.
# PySide6 6.12.0 aborts with Python 3.11 (docs/upstream.md).
BINDINGS := PySide6!=6.12.0 PyQt5
test-bindings: setup
	for binding in $(BINDINGS); do \
	  env=.venv-$${binding%%!*}; test -x $$env/bin/python || $(PYTHON) -m venv $$env; \
	  $(BIN)/uv pip install -q --python $$env/bin/python -c constraints.txt -e '.[bioio,figures,formats,measure,train,test,test-plugins]' "napari>=0.6" "$$binding"; \
	  $(MAKE) --no-print-directory test-gui BIN=$$env/bin; \
	done

# The figure in CONTRIBUTING.md. The packaging tests run an installed wheel, whose lines are not counted.
coverage: setup
	rm -f .coverage .coverage.*
	$(MAKE) --no-print-directory COVER="--cov --cov-report=" test-core test-gui test-torch
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered --sort=cover

# The site, in an environment of its own: site/index.html. Broken links and sections are errors.
DOCS := .venv-docs/bin
DOCS_READY := .venv-docs/.ready

$(DOCS_READY): pyproject.toml constraints.txt
	test -x $(DOCS)/python || $(PYTHON) -m venv .venv-docs
	$(DOCS)/python -m pip install -q -c constraints.txt uv || echo "uv is not available here; using pip."
	if test -x $(DOCS)/uv && $(DOCS)/uv pip install -q --python $(DOCS)/python -c constraints.txt -e '.[docs]'; then :; \
	else $(DOCS)/python -m pip install -q -c constraints.txt -e '.[docs]'; fi
	touch $(DOCS_READY)

docs: $(DOCS_READY)
	env NO_MKDOCS_2_WARNING=1 $(DOCS)/mkdocs build --strict

# Execute the notebook again, and keep what it shows.
notebook: $(DOCS_READY)
	$(DOCS)/python docs/make_notebook.py

# The gallery's pictures and table, from the included models and samples; DATA has the collections with annotations.
DATA := ../shared/data
gallery: $(DOCS_READY)
	$(DOCS)/python docs/make_gallery.py --data $(DATA)

# After a deliberate change of the environment; uv itself is listed too.
constraints: $(DOCS_READY)
	for bin in $(BIN) $(DOCS); do $(BIN)/uv pip freeze -q --python $$bin/python --exclude-editable; done \
	| grep -E '^[A-Za-z0-9._-]+==' | sort -u > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) .venv-docs .cache site build dist demo_output .coverage .coverage.* .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
