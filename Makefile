# Each target sets up what it needs in environments of its own: nothing else has to be there
# but Python 3.10 or newer. Node.js and a Chromium are used by the tests where they are found.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_READY := $(VENV)/.demo
LAB_READY := $(VENV)/.lab
READY := $(VENV)/.ready
OLDEST := .venv-oldest
DOCS := .venv-docs
KERNELS := 6.29.5 7.0.1 7.3.0
# These environments have other Pythons, where they are there: kept by pyenv, or on the path.
python = $(firstword $(wildcard $(HOME)/.pyenv/versions/$(1).*/bin/python) \
  $(shell command -v python$(1)) $(PYTHON))
LLMOCK := .venv-llmock
NODE_READY := tests/support/node/node_modules/.package-lock.json

PYTEST := PATH="$(CURDIR)/$(BIN):$(CURDIR)/$(LLMOCK)/only:$$PATH" $(BIN)/python -m pytest
# Tests wait more than they compute. A file stays with one worker, as its tests share a kernel.
SIDE_BY_SIDE := -n 3 --dist loadfile
BEYOND_OLDEST := tests/test_benchmarks.py tests/test_values.py tests/test_attachments.py tests/test_attach_cell.py tests/test_engine.py tests/test_site.py
KERNEL_TESTS := tests/test_chat_cell.py tests/test_cell_trouble.py tests/test_terminal.py tests/test_compatibility.py
OLDEST_PYTEST := PATH="$(CURDIR)/$(LLMOCK)/only:$$PATH" $(OLDEST)/bin/python -m pytest

.PHONY: demo test test-all test-package test-oldest test-kernels fuzz lint docs lab bench clean
.PHONY: $(KERNELS:%=test-kernel-%)

demo: $(DEMO_READY)
	G4F_PROVIDER=demo $(BIN)/python notebooks/show.py notebooks/01_first_chat.ipynb build/demo

test: $(READY) $(NODE_READY) $(LLMOCK)/only/llmock
	$(PYTEST) -m "not slow" $(SIDE_BY_SIDE) $(ARGS)

test-all: $(READY) $(NODE_READY) $(LLMOCK)/only/llmock test-oldest test-kernels
	$(PYTEST) -m slow $(SIDE_BY_SIDE) $(ARGS)

test-oldest: $(OLDEST)/.ready $(NODE_READY) $(LLMOCK)/only/llmock
	$(OLDEST_PYTEST) -m "not slow and not browser" -k "not 04_data" --ignore-glob "*_page.py" $(BEYOND_OLDEST:%=--ignore %) $(SIDE_BY_SIDE) $(ARGS)

test-package: $(READY) $(NODE_READY)
	$(PYTEST) tests/test_package.py tests/test_newcomer.py $(SIDE_BY_SIDE) $(ARGS)

test-kernels: $(KERNELS:%=test-kernel-%)

$(KERNELS:%=test-kernel-%): test-kernel-%: .venv-kernel-%/.ready
	.venv-kernel-$*/bin/python -m pytest $(KERNEL_TESTS) $(SIDE_BY_SIDE) $(ARGS)

# What reads what strangers write: first all tests with random inputs, EXAMPLES of each, then for
# SECONDS whatever reaches new code, where atheris has a wheel for this Python.
EXAMPLES ?= 2000
SECONDS ?= 600
fuzz: $(READY)
	FUZZ_EXAMPLES=$(EXAMPLES) $(PYTEST) -m "hypothesis and not browser" --hypothesis-profile=long --timeout=0 $(SIDE_BY_SIDE) $(ARGS)
	if $(BIN)/python -m pip install --quiet --only-binary :all: atheris; then \
	  $(BIN)/python tests/fuzz.py $(SECONDS); fi

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(DOCS)/.ready
	$(DOCS)/bin/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going -c docs -d build/doctrees . build/site

lab: $(LAB_READY)
	$(BIN)/jupyter lab notebooks/01_first_chat.ipynb

bench: $(READY)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) $(OLDEST) $(DOCS) $(KERNELS:%=.venv-kernel-%) $(LLMOCK) build tests/support/node/node_modules

# In steps, as nobody who wants a first answer should wait for what the tests need.
$(DEMO_READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group demo
	touch $@

$(LAB_READY): $(DEMO_READY)
	$(BIN)/python -m pip install --quiet --editable ".[lab]"
	touch $@

$(READY): $(LAB_READY)
	$(BIN)/python -m pip install --quiet --group test --group lint
	touch $@

# The lower bounds of pyproject.toml, and Colab's kernel.
$(OLDEST)/.ready: pyproject.toml tests/oldest.txt
	$(call python,3.10) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(OLDEST)/bin/python -m pip install --quiet --editable . --group kernel --constraint tests/oldest.txt
	touch $@

# On its own, as the tests need none of it.
$(DOCS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(DOCS)/bin/python -m pip install --quiet --editable . --group docs
	touch $@

# Kernels between the oldest and today's; 7.0 and 7.3 treat widgets' messages differently.
PYTHON_6.29.5 := 3.12
PYTHON_7.0.1 := 3.13
PYTHON_7.3.0 := 3.13
PINS_6.29.5 := ipython==8.39.0 ipywidgets==8.1.5
$(KERNELS:%=.venv-kernel-%/.ready): .venv-kernel-%/.ready: pyproject.toml
	$(call python,$(PYTHON_$*)) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(@D)/bin/python -m pip install --quiet --editable . --group kernel ipykernel==$* $(PINS_$*)
	touch $@

# A server whose faults the tests order; on its own, as it brings a web framework.
$(LLMOCK)/only/llmock:
	$(PYTHON) -m venv $(LLMOCK)
	$(LLMOCK)/bin/pip install --quiet llmock==0.2.2
	mkdir -p $(LLMOCK)/only && ln -sf ../bin/llmock $@

$(NODE_READY): tests/support/node/package-lock.json
	if command -v npm >/dev/null; then npm ci --silent --prefix tests/support/node; fi
	mkdir -p $(dir $@) && touch $@
