# Set-up is part of every target: make_venv.py makes the virtual environment once, from pinned versions.
BIN := .venv/bin
READY := .venv/.ready
# the Python that .venv has, else python3; .venv is made again for another one
PYTHON ?= $(or $(wildcard $(shell sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null)),python3)
# tests run two at a time, a thread each; of the slow ones those that start a Ray cluster (xdist_group) one after the other
TWO := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist

.PHONY: help $(READY) quickstart test extras-test long-test lint check cluster-test faults local-faults bench clean

help:
	@echo "make quickstart   run the main job on the embedded model (2 cores are enough)"
	@echo "make test         run all tests that this machine can run"
	@echo "make check        lint, types and the fast tests (some minutes)"
	@echo "make extras-test  run the tests that need optional packages: MLflow, W&B, lm-eval"
	@echo "make long-test    run the slow tests of several minutes each, which make test leaves out"
	@echo "make cluster-test run sweeps on a cluster of hosts that is made on this machine (root)"
	@echo "make faults       kill what such a sweep consists of; first table of docs/faults.md (root)"
	@echo "make local-faults kill, stop and fill what a sweep on this machine needs; second table of docs/faults.md (root)"
	@echo "make bench        measure against TRL, Transformers and plain generation"
	@echo "make clean        remove .venv and build directories"
	@echo "Each target sets up .venv first if needed; add PYTHON=python3.12 to choose Python 3.11, 3.12 or 3.13."

GOALS := $(or $(MAKECMDGOALS),quickstart)
AGAIN := make $(GOALS)$(if $(filter file,$(origin PYTHON)),, PYTHON=$(PYTHON))

# returns at once where .venv is complete
$(READY):
	@case "$$($(PYTHON) --version 2>&1)" in "Python 3.1"[123].*) ;; *) \
	  echo "Set-up needs Python 3.11, 3.12 or 3.13, but '$(PYTHON) --version' says '$$($(PYTHON) --version 2>&1 | head -n 1)':" \
	    "name another, as in: make $(GOALS) PYTHON=python3.12"; exit 1 ;; esac
	@$(PYTHON) make_venv.py "$(AGAIN)"

quickstart: $(READY)
	@$(BIN)/lookahead-ray sweep quickstart --resume

test: $(READY)
	$(TWO) loadfile -m "not slow and not gpu and not cluster"
	$(TWO) loadgroup -m "(slow or gpu) and not cluster and not long"

# optional packages are in a folder of their own: DeepSpeed imports mlflow, and Transformers scikit-learn, which would
# slow the start of every trial
extras-test: $(READY)
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .extras --requirement=constraints-extras.txt
	PYTHONPATH=.extras $(BIN)/python -m pytest tests/sweep/tracking tests/evaluate/test_harness.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(TWO) loadfile -m "not slow and not gpu and not cluster"

# over an hour: thousands of schedules of two drivers, 200 drawn spaces, whole sweeps with faults, 1,000 trials
long-test: $(READY)
	$(BIN)/python -m pytest -m long

# as root; it makes network namespaces, and ends with none left
cluster-test: $(READY)
	$(BIN)/python -m pytest -m "cluster and not faults"

# as root; a quarter of an hour
faults: $(READY)
	LOOKAHEAD_RAY_FAULTS=docs/faults.md $(BIN)/python -m pytest -s -m faults

# as root, for disks that can be full; half an hour
local-faults: $(READY)
	$(BIN)/python -m tests.sweep.local_faults docs/faults.md

bench: $(READY)
	@$(BIN)/python -m benchmarks --out benchmarks/results

clean:
	rm -rf .venv build *.egg-info
