# Each target sets up what it needs. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help venv tools all-tools demo test test-fast test-e2e fuzz lint format generate run bench clean
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

venv:
	@scripts/timed "Python environment from requirements.lock" scripts/venv

tools: venv ## compile Kubernetes, etcd, kwok and the registry (cached)
	@scripts/timed "compiled tools" $(BIN)/interlock-sandbox tools

all-tools: tools ## also the node's programs, and the peers of tests and benchmarks (cached)
	@scripts/timed "all compiled tools" $(BIN)/interlock-sandbox tools --all

demo: tools ## the whole story, on real containers where it can (KEEP=1 leaves it running)
	@scripts/timed "demo" $(BIN)/python -m interlock_sandbox.demo $(if $(KEEP),--keep)

test: test-fast tools ## all levels that need no more than the control plane
	@scripts/timed "cluster and crash tests" $(PYTEST) -q tests/cluster tests/crash

test-fast: venv ## unit and attack tests only
	@scripts/timed "unit and attack tests" $(PYTEST) -q tests/unit tests/attack

test-e2e: all-tools ## the demo's story, asserted, and death at every single write
	@scripts/timed "end-to-end tests" $(PYTEST) -q tests/e2e
	@scripts/timed "crash tests, all" $(PYTEST) -q tests/crash --full

fuzz: venv ## mutated real inputs into everything that parses foreign bytes
	@scripts/timed "fuzzers" env PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(or $(SECONDS),60)

lint: venv ## style, types, layers, docstrings, generated files
	@scripts/timed "ruff" $(BIN)/ruff check
	@scripts/timed "ruff format" $(BIN)/ruff format --check --quiet
	@scripts/timed "mypy" $(BIN)/mypy operator/interlock pipelines sandbox/interlock_sandbox crds
	@scripts/timed "layers" $(BIN)/lint-imports --no-cache
	@scripts/timed "docstrings" $(BIN)/interrogate -q operator pipelines sandbox
	@scripts/timed "generated kinds" $(BIN)/python crds/generate.py --check
	@scripts/timed "generated docs" $(BIN)/python docs/generate.py --check

format: venv ## format the code
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format --quiet

generate: venv ## write crds/ and the generated parts of docs/ from the code
	@$(BIN)/python crds/generate.py
	@$(BIN)/python docs/generate.py

run: venv ## run the operator against $KUBECONFIG with $INTERLOCK_CONFIG
	@$(BIN)/interlock run --config "$${INTERLOCK_CONFIG:?the configuration file}" --kubeconfig "$${KUBECONFIG:?the cluster}"

bench: all-tools ## all benchmarks, full size
	@for file in bench/*.py; do scripts/timed "$$file" $(BIN)/python "$$file" || exit 1; done

clean: ## remove the environment and all caches of the tree
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
