# CI runs exactly these targets. Each makes the virtual environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: install demo test test-trains test-portability test-slow test-gpu test-minimum lint docs docs-gallery \
	linkcheck dist container benchmarks clean

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
	$(BIN)/codespell

test: lint
	$(BIN)/pytest

# Other machines, on this one. ATEN_CPU_CAPABILITY selects the kernels that torch uses on the
# CPU, ONEDNN_MAX_CPU_ISA those of its convolutions, OPENBLAS_CORETYPE those of NumPy's matrix
# products, and OMP_NUM_THREADS the number of parts that a sum is split into.
DEFAULT_KERNELS := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX OPENBLAS_CORETYPE=Nehalem
AVX2_KERNELS := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell

# The tests that train a network. Those of tests/conformance assert no outcome of a training;
# `make test-portability` runs them with other kernels.
test-trains: install
	$(DEFAULT_KERNELS) $(BIN)/pytest -m "trains and not slow and not gpu" --ignore=tests/conformance

# SCIPY_ARRAY_API=1 adds scikit-learn's checks of array-API input.
test-portability: export SCIPY_ARRAY_API = 1
test-portability: install
	OMP_NUM_THREADS=1 $(DEFAULT_KERNELS) $(BIN)/pytest
	OMP_NUM_THREADS=2 $(DEFAULT_KERNELS) $(BIN)/pytest
	OMP_NUM_THREADS=1 $(AVX2_KERNELS) $(BIN)/pytest
	OMP_NUM_THREADS=2 $(AVX2_KERNELS) $(BIN)/pytest

# The accountant of Opacus is only a reference of one test.
test-slow: install
	$(BIN)/pip install --quiet --constraint constraints.txt "opacus>=1.6"
	$(BIN)/pytest -m slow

test-gpu: install
	$(BIN)/pytest -m gpu

# The lowest versions that pyproject.toml allows, in an environment of their own. Old versions warn
# about each other, which is no error here. On Linux, PyPI has the old torch only with 3 GB of CUDA
# libraries. Without a GPU, let pip find a CPU build:
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
test-minimum:
	mkdir -p build
	$(PYTHON) -m tools.minimum_versions > build/minimum.txt
	$(PYTHON) -m venv build/minimum
	build/minimum/bin/pip install --quiet --constraint build/minimum.txt --editable ".[test]"
	build/minimum/bin/pytest -W default

# The wheel and the source distribution. The wheel is built from the source distribution, and
# tried in a clean environment, first without and then with the extra that draws figures.
dist:
	rm -rf dist build/dist
	$(PYTHON) -m venv build/dist/tools
	build/dist/tools/bin/pip install --quiet build
	build/dist/tools/bin/python -m build
	$(PYTHON) -m tools.check_dist dist
	$(PYTHON) -m venv build/dist/clean
	build/dist/clean/bin/pip install --quiet --constraint constraints.txt dist/*.whl
	cp tools/check_dist.py build/dist/
	cd build/dist && clean/bin/python check_dist.py --installed
	wheel=$$(ls dist/*.whl) && build/dist/clean/bin/pip install --quiet \
		--constraint constraints.txt "$$wheel[plot]"
	cd build/dist && clean/bin/ecganon demo --data synthetic --out figures

container:
	podman build --tag ecganon .
	podman run --rm --network none --read-only --tmpfs /tmp ecganon demo \
		--data synthetic --out /tmp/figures

# The pages, without the figures of the examples, and a check of the links between them.
docs: install
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m tools.check_links docs/_build/html *.md

# The same, with every example executed: about twenty minutes. SKLEARN_ECGANON_DATA names the folder
# of the databases; without it most examples use synthetic data.
docs-gallery: install
	ECGANON_GALLERY=1 $(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m tools.check_links docs/_build/html *.md

# The addresses on the internet to which the pages link. Needs the network.
linkcheck: install
	$(BIN)/sphinx-build -b linkcheck docs docs/_build/linkcheck

benchmarks: install
	$(BIN)/python -m benchmarks.segmentation
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.leaderboard
	$(BIN)/python -m benchmarks.non_qrs_vae
	$(BIN)/python -m benchmarks.delineation
	$(BIN)/python -m benchmarks.beat_class

clean:
	rm -rf $(VENV) build dist docs/_build docs/auto_examples docs/generated figures
