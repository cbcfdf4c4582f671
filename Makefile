# make demo   train on the bundled reviews, write a report      make test   the tests
# make check  lint, format and types                            make bench  the benchmarks
# make docs   the documentation site, into site/                make figures  the figures of its pages, anew
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# compiled by the install
NATIVE := setup.py $(wildcard src/recurra/kernels/native/*.cpp src/recurra/kernels/native/*.h)

.PHONY: demo test test-slow check docs figures bench clean

demo: $(VENV)/runtime
	$(BIN)/recurra demo

# a file at a time on each core; the tests themselves use one thread each
test: $(VENV)/dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-slow: $(VENV)/dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# strict: a link that leads nowhere is an error, and so is anything that a page would fetch from elsewhere
docs: $(VENV)/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# about 20 minutes: every figure of the pages is drawn by an experiment of the lab, from a seed
figures: $(VENV)/runtime
	$(BIN)/recurra lab all --out build/lab
	mkdir -p docs/figures
	cp build/lab/*.svg docs/figures/

bench: $(VENV)/dev
	$(BIN)/recurra bench
	$(BIN)/python benchmarks/classify.py --data ../shared/data/sst2

# torch comes first: its pin is exact, and what follows must not replace it
$(VENV)/torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	touch $@

$(VENV)/runtime: $(VENV)/torch pyproject.toml $(NATIVE)
	$(PIP) -e .
	touch $@

$(VENV)/dev: $(VENV)/torch pyproject.toml $(NATIVE)
	$(PIP) -e '.[dev,docs]'
	touch $@ $(VENV)/runtime

clean:
	rm -rf $(VENV) src/recurra/kernels/native/*.so build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
