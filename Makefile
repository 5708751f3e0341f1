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
	OMP_NUM_THREADS=2 $(BIN)/ecganon demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest

# The tests that train a network, on another machine's arithmetic.
test-trains: install
	ATEN_CPU_CAPABILITY=default $(BIN)/pytest -m "trains and not slow and not gpu"

# All tests on four machines: ATEN_CPU_CAPABILITY selects the kernels that torch uses on the
# CPU, OMP_NUM_THREADS the number of parts that it splits a sum into. SCIPY_ARRAY_API=1 adds
# scikit-learn's checks of array-API input.
test-portability: install
	for kernels in default avx2; do for threads in 1 2; do \
	    echo "== ATEN_CPU_CAPABILITY=$$kernels OMP_NUM_THREADS=$$threads"; \
	    SCIPY_ARRAY_API=1 ATEN_CPU_CAPABILITY=$$kernels OMP_NUM_THREADS=$$threads \
	        $(BIN)/pytest || exit 1; \
	done; done

test-slow: install
	$(BIN)/pytest -m slow

test-gpu: install
	$(BIN)/pytest -m gpu

docs: install
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

benchmarks: install
	$(BIN)/python benchmarks/segmentation.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/ladder.py
	$(BIN)/python benchmarks/non_qrs_vae.py
	$(BIN)/python benchmarks/delineation.py
	$(BIN)/python benchmarks/beat_class.py

clean:
	rm -rf $(VENV) docs/_build docs/auto_examples docs/generated figures
