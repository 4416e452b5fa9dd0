# Kehu. `make` prints what there is to do; every target installs and generates what it needs first.

SHELL         := /bin/bash
.ONESHELL:
.SHELLFLAGS   := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS     += --no-print-directory

VENV   := .venv
PY     := $(VENV)/bin/python
PYTEST := $(PY) -m pytest

# A stamp per content of the lock files: nothing is installed twice, and a changed lock file is never missed.
LOCK  := $(shell cat requirements.txt requirements-dev.txt 2>/dev/null | sha256sum | cut -c1-16)
STAMP := $(VENV)/.installed-$(LOCK)

.PHONY: help
help: ## Print this list.
	@awk 'BEGIN {FS = ":.*## "} /^## / {printf "\n%s\n", substr($$0, 4)} \
	     /^[a-z][a-z0-9 -]*:.*## / {printf "  \033[36m%-17s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Prepare

.PHONY: env
env: packages $(STAMP) $(VENV)/bin/kehu ## Install Debian packages and the Python environment (.venv).

.PHONY: packages
packages:
	@bash libs/localstack/packages.sh

$(STAMP): | packages
	@python=$$(bash libs/localstack/packages.sh --python)
	echo "Installing the Python environment into $(VENV) (a minute or two)"
	[ -x $(PY) ] || "$$python" -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes -r requirements-dev.txt
	site=$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	printf '%s\n' "$(CURDIR)" "$(CURDIR)/build/gen" > "$$site/kehu.pth"
	rm -f $(VENV)/.installed-*
	touch $@

$(VENV)/bin/kehu: $(STAMP) Makefile
	@printf '#!%s\n%s\n' "$(CURDIR)/$(PY)" 'import sys; from libs.command.entry import main; sys.exit(main())' > $@
	chmod +x $@

.PHONY: gen
gen: env ## Generate Python code from the protos into build/gen.
	@$(PY) protos/generate.py

.PHONY: chart
chart: gen ## Generate what chart, compose and monitoring derive from the registry, the code and the values.
	@$(PY) deploy/helm/generate.py
	$(PY) docker/generate.py
	$(PY) -m libs.monitoring

.PHONY: requirements
requirements: env ## Recompile requirements*.txt, with hashes.
	@for name in requirements requirements-protos requirements-dev requirements-stack; do
	  $(VENV)/bin/uv pip compile --quiet --system-certs --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make requirements' $$name.in -o $$name.txt
	done


## Run

.PHONY: up
up: gen ## Start everything on this machine, load a demonstration, show where it is. UP="--port mongod=9000" and the like.
	@$(PY) -m libs.localstack up $(UP)

.PHONY: down
down: ## End what `make up` started; data stay.
	@[ ! -x $(PY) ] || $(PY) -m libs.localstack down

.PHONY: status
status: env ## Show what runs where.
	@$(PY) -m libs.localstack status

## Check

.PHONY: lint
lint: env lint-protos ## Style of Python and protos.
	@$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --quiet --check . || { echo "Not formatted; run: make format" >&2; exit 1; }

.PHONY: lint-protos
lint-protos: gen
	@$(VENV)/bin/buf lint build/gen/kehu.binpb --config buf.yaml --path kehu
	$(VENV)/bin/buf format protos --diff --exit-code

.PHONY: format
format: env ## Bring Python and protos into shape.
	@$(VENV)/bin/ruff check --quiet --fix-only .
	$(VENV)/bin/ruff format --quiet .
	$(VENV)/bin/buf format protos --write

.PHONY: types
types: gen ## Type check (mypy, strict).
	@$(VENV)/bin/mypy --no-error-summary

.PHONY: breaking
breaking: gen ## Protos against the last release (protos/baseline.binpb).
	@$(VENV)/bin/buf breaking build/gen/kehu.binpb --against protos/baseline.binpb --config buf.yaml --path kehu

.PHONY: baseline
baseline: gen ## Make the present protos the last release.
	@$(PY) protos/generate.py --baseline

## Test; ARGS="-k name -x" and the like go to pytest

.PHONY: browser
browser:
	@bash tests/packages.sh

.PHONY: test
test: gen browser ## Unit, contract, integration and e2e tests, on real MongoDB and RabbitMQ.
	@$(if $(ARGS),exec $(PYTEST) -q $(ARGS))
	$(PYTEST) -q -n auto --dist loadfile tests/unit tests/contract tests/chart
	$(PYTEST) -q tests/integration tests/e2e

.PHONY: test-unit test-contract test-chart test-integration test-e2e
test-unit test-contract test-chart test-integration test-e2e: test-%: gen browser ## One tier of them.
	@$(PYTEST) -q tests/$* $(ARGS)

.PHONY: chaos
chaos: gen ## Kill, freeze and restart things while a ledger watches that nothing is lost or doubled.
	@$(PYTEST) -q --timeout=0 tests/chaos $(ARGS)

.PHONY: bench
bench: gen ## Figures as ratios to bare baselines in the same run. ARGS="--quick get list".
	@$(PY) -m tests.bench $(ARGS)

## Platform

.PHONY: image
image: gen ## Build the image and test what is in it and that it works (root; a quarter of an hour the first time).
	@bash docker/packages.sh
	$(PYTEST) -q -s --timeout=1800 tests/image $(ARGS)

.PHONY: cluster
cluster: gen ## A real Kubernetes node on this machine, with the suite on it. The first time it is built: half an hour.
	@bash tests/cluster/packages.sh
	bash docker/packages.sh
	bash tests/cluster/build.sh
	$(PY) -m tests.cluster up
	$(PY) -m tests.cluster install

.PHONY: cluster-test
cluster-test: gen ## Install, upgrade, roll back, drain, rotate and break the suite on that node, under load.
	@$(PY) -m tests.cluster test $(ARGS)

.PHONY: cluster-down
cluster-down: ## End the node and everything on it.
	@[ ! -x $(PY) ] || $(PY) -m tests.cluster down

## Tidy

.PHONY: clean
clean: down cluster-down ## End the stack; remove its data, generated code and caches (not the environment).
	@rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find libs services tests protos -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
