# Two commands for a newcomer: `make demo` and `make test`. Both set themselves up; a second run installs nothing.
#   TORCH=cpu     (default) the tested pins, PyTorch 2.13 and jax 0.10
#   TORCH=cuda    the tested pins, and whichever PyTorch and jax the ranges allow (PyPI's build with CUDA)
#   TORCH=system  an environment over the image's own torch, jax, numpy and transformers, which are kept
PYTHON ?= $(shell command -v python3.11 >/dev/null 2>&1 && python3.11 --version >/dev/null 2>&1 && echo python3.11 || echo python3)
TORCH ?= cpu
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(TORCH)

KEPT := -c 'import importlib.metadata as m; [print(p, m.version(p)) for p in ("torch", "jax", "numpy", "transformers")]'

export MLFLOW_DISABLE_TELEMETRY = true
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-slow setup train lint bench ui clean

demo: setup
	@$(BIN)/healtwin demo

test: setup lint
	@$(BIN)/python -m pytest -m "not slow"

test-slow: setup
	@$(BIN)/python -m pytest -m slow

lint: setup
	@echo "ruff"; $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "import contract"; $(BIN)/lint-imports
	@echo "mypy"; $(BIN)/mypy

train: setup
	@$(BIN)/healtwin demo --budget long

# DATA=DIR: the traces and profiles that docs/running.md names; without it, rows that need them are skipped.
bench: setup
	@missed=0; $(BIN)/healtwin bench twin || missed=1; \
	$(BIN)/healtwin bench inference $(if $(DATA),--data '$(DATA)') || missed=1; exit $$missed

ui: setup
	@$(BIN)/healtwin ui

setup: $(READY)

$(READY): pyproject.toml constraints/common.txt constraints/cpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "healtwin needs Python 3.11 or newer: make PYTHON=python3.11"; exit 2; }
ifeq ($(TORCH),cpu)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing (a few minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/cpu.txt -e '.[dev]'
else ifeq ($(TORCH),cuda)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing (several minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/common.txt -e '.[dev]'
else ifeq ($(TORCH),system)
	@test -x $(BIN)/python || $(PYTHON) -m venv --system-site-packages $(VENV)
	@$(PYTHON) $(KEPT) > $(VENV)/kept.before
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(BIN)/python $(KEPT) | diff $(VENV)/kept.before - || { echo "the image's torch, jax, numpy or transformers was replaced; see above"; exit 1; }
else
	@echo "TORCH=$(TORCH)? It is one of cpu, cuda, system"; exit 2
endif
	@rm -f $(VENV)/.ready-*; touch $(READY)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
