# make help lists the targets

VENV := .venv
PYTHON := $(VENV)/bin/python
RUN := $(VENV)/bin/credo
STAMP := $(VENV)/.installed
PORT ?= 5000

# Bytecode is written even where this is set: a start without it takes three times as long.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run test proofs fuzz ray check format sweep ui cases hashes references sbibm kills stopping metrics resources uci film amortised mdn-methods mdn-speed ais ebm-density ebm-regression rbm ebm-digits ebm-speed infonce sweeps bench lock wheel pictures clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## the environment in .venv, from requirements.lock

$(STAMP): requirements.lock pyproject.toml tools/bootstrap.sh
	@sh tools/bootstrap.sh $(VENV)
	@touch $@

run: setup ## eight schools by NUTS: Rubin's data, to a verdict
	@$(RUN) experiment=eight_schools

test: setup ## the tests
	@$(PYTHON) -m pytest -q -n 2 -m "not slow"

proofs: setup ## the slow tests: references, statistical laws
	@$(PYTHON) -m pytest -q -n 2 -m slow

FUZZ ?= 3000
fuzz: setup ## thousands of broken inputs, FUZZ=N of each kind, against the promise of one sentence
	@CREDO_FUZZ=$(FUZZ) $(PYTHON) -m pytest -q -s tests/fuzz

ray: setup ## the sweep by Ray, which wants older packages, in an environment of its own
	@$(VENV)/bin/uv venv -q --clear -p $(PYTHON) $(VENV)/ray
	@$(VENV)/bin/uv pip install -q -p $(VENV)/ray/bin/python -e '.[ray]' pytest
	@$(VENV)/ray/bin/python -m pytest -q -m slow tests/sweep/test_proofs.py -k ray

check: setup ## format, lint, types
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/ruff check -q .
	@$(VENV)/bin/mypy

format: setup ## mend format and what lint can mend
	@$(VENV)/bin/ruff check --fix -q . ; $(VENV)/bin/ruff format -q .

sweep: setup ## the same question by four methods, comparable in MLflow
	@$(RUN) -m data=coin_flips model=bernoulli inference=mle,map,nuts,mh

ui: setup ## MLflow on 127.0.0.1 with this folder's runs
	@test -f mlflow.db || { echo "no runs in this folder yet: make run" >&2; exit 1; }
	@$(PYTHON) -m credo.tracking.mlflow.view 127.0.0.1:$(PORT)
	@MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(VENV)/bin/mlflow server \
		--backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port $(PORT) --workers 1

cases: setup ## what others stumbled on, by its own commands, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/cases.py

hashes: setup ## whether the draws are those of the commit BASE, to the bit, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/hashes.py $(BASE)

references: setup ## twelve posteriors against answers that others made, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/posteriors.py

sbibm: setup ## five tasks of sbibm against their reference draws, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/sbibm.py

kills: setup ## runs killed twenty times and taken up again, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/kills.py

stopping: setup ## coverage after stopping, a hundred seeds, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/stopping.py

metrics: setup ## ESS per gradient by metric and against NumPyro, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/metrics.py

resources: setup ## memory by draws, cores by devices, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/resources.py

uci: setup ## mixture density networks on five sets, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/uci.py

film: setup ## FiLM against concatenation, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/film.py

amortised: setup ## posteriors learned from simulations, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/amortised.py

mdn-methods: setup ## one network by every method, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/mdn_methods.py

mdn-speed: setup ## an epoch of training beside a loop by hand, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/mdn_speed.py

ais: setup ## log Z by annealed importance sampling, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/ais.py

ebm-density: setup ## energies trained in the plane, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/ebm_density.py

ebm-regression: setup ## energies of y given x, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/ebm_regression.py

rbm: setup ## a machine that learns another one, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/rbm.py

ebm-digits: setup ## energies of digits beside a Boltzmann machine, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/ebm_digits.py

ebm-speed: setup ## samplers of energies beside loops by hand, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/ebm_speed.py

infonce: setup ## the mutual information that critics find, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/infonce.py
	@$(PYTHON) experiments/benchmarks/infonce_training.py

sweeps: setup ## a sweep by every launcher, and runs together, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/sweeps.py
	@$(PYTHON) experiments/benchmarks/together.py

bench: setup ## timings against other ways, into experiments/benchmarks
	@$(PYTHON) experiments/benchmarks/eight_schools_speed.py

lock: setup ## choose versions anew and write requirements.lock
	@$(VENV)/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.12 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --quiet -o requirements.lock

wheel: setup ## the wheel in dist/
	@$(VENV)/bin/uv build --wheel -q

pictures: setup ## those of the README, by Chromium
	@$(PYTHON) tools/pictures.py

clean: ## remove the environment and caches
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist
