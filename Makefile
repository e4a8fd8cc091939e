# Tillkeeper. `make run` starts the service, `make test` proves it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PROJECT_ENVIRONMENT := .venv
PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin
VENDOR := src/tillkeeper/surfaces/http/static/vendor
PYTEST := PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/pytest
# Each worker starts a PostgreSQL of its own; a file stays with one.
WORKERS ?= 2
ALL := -q -n $(WORKERS) --dist loadfile
OLDER_PG ?= /usr/lib/postgresql/15/bin

# Where `make run` keeps its data. As root the database runs as an unprivileged user, who must be
# able to reach the directory; below a closed home it moves to /var/tmp.
export TILLKEEPER_DATA_DIR ?= $(shell bash deploy/data-dir)

.PHONY: help setup run test proof check openapi migrate bench lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.uv/.stamp: requirements-bootstrap.txt
	@echo "Fetching uv …"
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements-bootstrap.txt
	@touch $@

.venv/.stamp: .uv/.stamp pyproject.toml uv.lock
	@echo "Installing the Python packages …"
	@$(UV) sync --frozen --quiet
	@touch $@

$(VENDOR)/.stamp: web/package-lock.json web/vendor.mjs
	@echo "Installing the API reference …"
	@cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@node web/vendor.mjs $(VENDOR)
	@touch $@

setup: .venv/.stamp $(VENDOR)/.stamp ## Install everything; afterwards .venv/bin/tillkeeper is the command

run: setup ## Start the service; on an empty database provision the sample vendor first
	@$(BIN)/tillkeeper demo examples/customers.csv

test: setup ## Run every test; the behaviour again on an older PostgreSQL, where the machine has one
	@.ci/softhsm
	$(PYTEST) $(ALL)
	@if [ -x $(OLDER_PG)/postgres ]; then \
	  echo "Again on $$($(OLDER_PG)/postgres --version)"; \
	  TILLKEEPER_TEST_PG_BIN=$(OLDER_PG) $(PYTEST) $(ALL) tests/domains tests/test_installation.py; fi

proof: setup ## Prove every promise at the large amounts (half an hour on two cores), report in docs/proof
	$(BIN)/python tests/proofs

check: setup ## Format, lint, types, import contracts, OpenAPI documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/tillkeeper openapi --check openapi

openapi: setup ## Write the OpenAPI documents anew
	$(BIN)/tillkeeper openapi openapi

migrate: setup ## Bring the database to the newest schema
	$(BIN)/tillkeeper migrate

bench: setup ## Measure against a bare application on the same PostgreSQL
	$(BIN)/python -m bench

lock: .uv/.stamp ## Resolve the dependencies anew
	$(UV) lock
	$(UV) export --frozen --no-dev --no-emit-project --format requirements-txt --no-header -o requirements.lock --quiet

clean: ## Remove what was installed and built; data stays
	rm -rf .venv .uv build web/node_modules $(VENDOR) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
