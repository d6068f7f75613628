# `make demo` and `make test` start from nothing but Python 3.10+, pip and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A process a core, each with one thread: small networks gain little from more. A file's tests stay
# together, as they share what they have painted, and the longest come first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile \
          --no-loadscope-reorder

.PHONY: demo test test-all behaviour bench lint clean

demo: $(VENV)/engine
	$(BIN)/depth2img demo

test: $(VENV)/tests lint
	$(PYTEST) -m "not slow"

test-all: $(VENV)/tests lint
	$(PYTEST)

lint: $(VENV)/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV)/package && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml

behaviour: $(VENV)/tests
	$(BIN)/python -m sd2_depth2img.tools.train_mini.measure

bench: $(VENV)/tests
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/inpainting.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/editing.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Stamps: what is installed is installed again only when a list of packages changes.
$(VENV)/engine: $(BIN)/python pyproject.toml requirements.txt constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[engine]"
	touch $@

$(VENV)/tests: $(VENV)/engine
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[engine,test]"
	mkdir -p $(VENV)/package && ln -sfn $(CURDIR) $(VENV)/package/sd2_depth2img
	touch $@

clean:
	rm -rf $(VENV) build demo *.egg-info
