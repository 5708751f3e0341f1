# CI runs exactly these targets. Each makes the virtual environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: install demo test test-trains test-portability test-slow test-gpu lint docs benchmarks clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test,docs]"
	touch $@

demo: install
	$(BIN)/ecganon demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m numpydoc lint $$(find sklearn_ecganon -name '*.py')

test: lint
	$(BIN)/pytest

# Other machines, on this one. ATEN_CPU_CAPABILITY selects the kernels that torch uses on the
# CPU, ONEDNN_MAX_CPU_ISA those of its convolutions, OPENBLAS_CORETYPE those of NumPy's matrix
# products, and OMP_NUM_THREADS the number of parts that a sum is split into.
DEFAULT_KERNELS := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX OPENBLAS_CORETYPE=Nehalem
AVX2_KERNELS := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell

# The tests that train a network.
test-trains: install
	$(DEFAULT_KERNELS) $(BIN)/pytest -m "trains and not slow and not gpu"

# SCIPY_ARRAY_API=1 adds scikit-learn's checks of array-API input.
test-portability: export SCIPY_ARRAY_API = 1
test-portability: install
	OMP_NUM_THREADS=1 $(DEFAULT_KERNELS) $(BIN)/pytest
	OMP_NUM_THREADS=2 $(DEFAULT_KERNELS) $(BIN)/pytest
	OMP_NUM_THREADS=1 $(AVX2_KERNELS) $(BIN)/pytest
	OMP_NUM_THREADS=2 $(AVX2_KERNELS) $(BIN)/pytest

test-slow: install
	$(BIN)/pytest -m slow

test-gpu: install
	$(BIN)/pytest -m gpu

docs: install
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

benchmarks: install
	$(BIN)/python -m benchmarks.segmentation
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.leaderboard
	$(BIN)/python -m benchmarks.non_qrs_vae
	$(BIN)/python -m benchmarks.delineation
	$(BIN)/python -m benchmarks.beat_class

clean:
	rm -rf $(VENV) docs/_build docs/auto_examples docs/generated figures
