# Everything a person or a CI machine runs. It needs Python >= 3.10, pip and make, and nothing else:
# no root, no terminal, no fixed port, nothing installed by hand. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

# Of these three together, so many percent of all branches must be covered by tests.
COVERAGE_MIN := 95
COVERAGE_OF := src/caproto/_protocol/*,src/caproto/client/*,src/caproto/server/*

# How many tests run at a time. They wait more than they work: four keep two processors busy.
JOBS ?= 4

CODE := $(wildcard src tests examples benchmarks fuzz docs)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(STAMP) ## make .venv with caproto (editable) and all tools; quick when nothing changed

# Where Python comes without ensurepip (Debian without python3-venv), its own pip fills the venv.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "caproto needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(VENV) || { \
	    $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	$(BIN)/python $(PIP_INSTALL) -e '.[complete,test,dev]'
	@touch $@

.PHONY: demo
demo: venv ## start the random-walk IOC and run the tutorial against it
	$(BIN)/python examples/tutorial.py

.PHONY: test
test: venv ## run all tests
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

.PHONY: check
check: format-check lint types verify-types layers docs coverage fuzz-quick bench-micro-once ## what every change must pass; CI runs this

.PHONY: format-check
format-check: venv
	$(BIN)/ruff format --check $(CODE)

.PHONY: format
format: venv ## format the code and sort imports
	$(BIN)/ruff check --quiet --select I --fix $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: lint
lint: venv ## look for likely mistakes
	$(BIN)/ruff check $(CODE)

.PHONY: types
types: venv ## check the types
	$(BIN)/mypy $(CODE)

# Not part of `make venv`: it is 250 MB.
.PHONY: verify-types
verify-types: venv ## check that the public API is completely typed
	@test -x $(BIN)/pyright || $(BIN)/python $(PIP_INSTALL) -e '.[types]'
	$(BIN)/python tools/verify_types.py

.PHONY: layers
layers: venv ## check that no layer imports a higher one
	$(BIN)/lint-imports

.PHONY: coverage
coverage: venv ## run all tests, and see which branches of the pure parts are reached by the tests of these
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n $(JOBS) --cov --cov-report= $(ARGS)
	$(BIN)/coverage report --fail-under=$(COVERAGE_MIN) --include='$(COVERAGE_OF)'

.PHONY: bench-micro-once
bench-micro-once: venv ## run each micro-benchmark once, without judging times
	$(BIN)/python -m pytest benchmarks/micro -o python_files='bench_*.py test_*.py' --benchmark-disable -q

.PHONY: bench-micro
bench-micro: venv ## measure the hot path (benchmarks/micro)
	$(BIN)/python -m pytest benchmarks/micro -o python_files='bench_*.py test_*.py' -o timeout=600 --benchmark-enable -s $(ARGS)

.PHONY: bench
bench: venv ## compare our client with its peers (benchmarks/peers); needs the network once
	$(BIN)/python -m benchmarks.peers $(ARGS)

.PHONY: bench-quick
bench-quick: venv ## the same in less than two minutes
	$(BIN)/python -m benchmarks.peers --quick $(ARGS)

.PHONY: bench-server
bench-server: venv ## compare our IOC with the C IOC and the original (benchmarks/server); needs the network once
	$(BIN)/python -m benchmarks.server $(ARGS)

.PHONY: bench-server-quick
bench-server-quick: venv ## the same in less than a minute
	$(BIN)/python -m benchmarks.server --quick $(ARGS)

.PHONY: soak
soak: venv ## random faults for five minutes; ARGS='--seconds 60 --seed 7' for others
	$(BIN)/python -m tests.chaos.soak $(ARGS)

# Where there is no wheel of atheris, inputs are damaged at random instead, and a message says so.
.PHONY: fuzz
fuzz: venv ## hostile input for both ends for five minutes; ARGS='--seconds N --target server_stream'
	@$(BIN)/python $(PIP_INSTALL) -e '.[fuzz]' || echo "fuzz: atheris cannot be installed here"
	$(BIN)/python -m fuzz $(ARGS)

.PHONY: fuzz-quick
fuzz-quick: venv ## the same for a few seconds, without atheris
	$(BIN)/python -m fuzz --quick --seconds 5 --seed 1

.PHONY: simulate
simulate: venv ## a million channels on a thousand servers, in virtual time
	$(BIN)/python -m benchmarks.simulation $(ARGS)

# Warnings are errors: a link that leads nowhere, a docstring that cannot be read.
.PHONY: docs
docs: $(DOCS_STAMP) ## build the pages into docs/_build/html
	$(BIN)/sphinx-build -q -W --keep-going -n -d docs/_build/doctrees docs docs/_build/html

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python $(PIP_INSTALL) -e '.[docs]'
	@touch $@

.PHONY: pictures
pictures: venv ## draw the diagrams of the states, and write the table of statuses
	$(BIN)/python docs/pictures/states.py

.PHONY: clean
clean: ## remove everything that these targets made
	rm -rf fuzz/corpus fuzz/found docs/_build
	rm -rf $(VENV) .bench .ecosystem build dist htmlcov .coverage .coverage.* .benchmarks .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests examples benchmarks fuzz -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
