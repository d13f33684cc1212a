# make help lists the targets

VENV := .venv
PYTHON := $(VENV)/bin/python
RUN := $(VENV)/bin/credo
STAMP := $(VENV)/.installed
PORT ?= 5000

# Bytecode is written even where this is set: a start without it takes three times as long.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run test proofs fuzz ray check docs format sweep ui cases hashes references methods kills metrics bench benchmark lock wheel pictures clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## the environment in .venv, from requirements.lock

$(STAMP): requirements.lock pyproject.toml tools/bootstrap.sh
	@sh tools/bootstrap.sh $(VENV)
	@touch $@

run: setup ## eight schools by NUTS: Rubin's data, to a verdict
	@$(RUN) experiment=eight_schools

# XLA compiles quickly rather than well: behaviour is tested here, and the proofs compile as users do.
test: setup ## the tests, without the slow ones
	@JAX_DISABLE_MOST_OPTIMIZATIONS=1 $(PYTHON) -m pytest -q -n 2 --dist worksteal --durations=30 -m "not slow"

proofs: setup ## the slow tests: references, statistical laws
	@$(PYTHON) -m pytest -q -n 2 -m slow

FUZZ ?= 3000
fuzz: setup ## thousands of broken inputs, FUZZ=N of each kind, against the promise of one sentence
	@CREDO_FUZZ=$(FUZZ) $(PYTHON) -m pytest -q -s tests/fuzz

ray: setup ## the sweep by Ray, which is installed for it
	@$(VENV)/bin/uv pip install -q -p $(PYTHON) --no-build-isolation -e '.[ray]'
	@$(PYTHON) -m pytest -q -m slow tests/sweeps -k ray

check: setup ## format, lint, types, which room imports which
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/ruff check -q .
	@$(VENV)/bin/mypy
	@found=$$($(VENV)/bin/lint-imports --no-logo --no-cache 2>&1) || { echo "$$found"; exit 1; }

docs: setup ## the site in docs/_build/html, by an environment of its own
	@$(VENV)/bin/uv venv -q --clear -p $(PYTHON) $(VENV)/docs
	@$(VENV)/bin/uv pip install -q -p $(VENV)/docs/bin/python -e . --group docs
	@$(VENV)/docs/bin/python -m sphinx -q -W -j 2 --keep-going docs docs/_build/html

format: setup ## mend format and what lint can mend
	@$(VENV)/bin/ruff check --fix -q . ; $(VENV)/bin/ruff format -q .

sweep: setup ## the same question by four methods, comparable in MLflow
	@$(RUN) -m data=coin_flips model=bernoulli inference=mle,map,nuts,mh

ui: setup ## MLflow on 127.0.0.1 with this folder's runs
	@$(RUN) ui --port $(PORT)

cases: setup ## problems on which such software failed, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/cases.py

hashes: setup ## whether the draws are those of the commit BASE, to the bit, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/hashes.py $(BASE)

references: setup ## twelve posteriors against reference draws, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/posteriors.py

methods: setup ## every method on posteriors that are known, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/methods.py

kills: setup ## runs killed twenty times and resumed, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/kills.py
	@$(PYTHON) experiments/benchmarks/kills.py --saves

metrics: setup ## ESS per gradient by metric and against NumPyro, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/metrics.py

bench: setup ## seconds to the verdict beside NumPyro and nutpie, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/speed.py

benchmark: setup ## run a benchmark by NAME=uci; without NAME, list them with what each shows
	@$(PYTHON) tools/benchmark.py $(NAME)

lock: setup ## choose versions anew and write requirements.lock
	@$(VENV)/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.12 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --quiet -o requirements.lock

wheel: setup ## the wheel in dist/
	@$(VENV)/bin/uv build --wheel -q

pictures: setup ## those of the README and of the site, by Chromium
	@$(PYTHON) tools/pictures.py

clean: ## remove the environment and caches
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist
