# Each target sets up what it needs in environments of its own: nothing else has to be there
# but Python 3.10 or newer. Node.js and a Chromium are used by the tests where they are found.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST := .venv-oldest
LLMOCK := .venv-llmock
NODE_READY := tests/support/node/node_modules/.package-lock.json

PYTEST := PATH="$(CURDIR)/$(BIN):$(CURDIR)/$(LLMOCK)/only:$$PATH" $(BIN)/python -m pytest
OLDEST_PYTEST := PATH="$(CURDIR)/$(LLMOCK)/only:$$PATH" $(OLDEST)/bin/python -m pytest

.PHONY: demo test test-all test-oldest lint lab bench clean

demo: $(READY)
	$(BIN)/python notebooks/show.py notebooks/01_first_chat.ipynb build/demo

test: $(READY) $(NODE_READY) $(LLMOCK)/only/llmock
	$(PYTEST) -m "not slow" --cov $(ARGS)

test-all: $(READY) $(NODE_READY) $(LLMOCK)/only/llmock test-oldest
	$(PYTEST) -m slow $(ARGS)

test-oldest: $(OLDEST)/.ready $(NODE_READY) $(LLMOCK)/only/llmock
	$(OLDEST_PYTEST) -m "not slow and not browser" $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lab: $(READY)
	$(BIN)/jupyter lab notebooks/01_first_chat.ipynb

bench: $(READY)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) $(OLDEST) $(LLMOCK) build tests/support/node/node_modules

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[lab]" --group test --group lint
	touch $@

# The lower bounds of pyproject.toml, and Colab's kernel.
$(OLDEST)/.ready: pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(OLDEST)/bin/python -m pip install --quiet --editable . --group oldest --constraint tests/oldest.txt
	touch $@

# A server whose faults the tests order; on its own, as it brings a web framework.
$(LLMOCK)/only/llmock:
	$(PYTHON) -m venv $(LLMOCK)
	$(LLMOCK)/bin/pip install --quiet llmock==0.2.2
	mkdir -p $(LLMOCK)/only && ln -sf ../bin/llmock $@

$(NODE_READY): tests/support/node/package-lock.json
	if command -v npm >/dev/null; then npm ci --silent --prefix tests/support/node; fi
	mkdir -p $(dir $@) && touch $@
