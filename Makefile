# Every habit of the project: `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test check bench simulate format clean

DIR ?= .demo
PORT ?= 8700
SEEDS ?= 1-100
BIN := .venv/bin

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a whole sample county on this machine (DIR=.demo PORT=8700), until Ctrl-C
	@scripts/venv runtime
	@exec $(BIN)/yizhan demo --dir "$(DIR)" --port "$(PORT)"

test: ## all tests, headless; installs what they need
	@scripts/venv dev
	@scripts/test-machine
	@# Also where the machine forbids it: hundreds of services are started, and each would compile the program anew.
	@# Three at a time on two cores: who waits for a browser or a service leaves its core to another.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 3 --dist loadgroup

check: ## formatter, linter, import contracts, strict types
	@scripts/venv dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: ## memory, start-up and speed, printed beside their goals; never fails a build
	@scripts/venv dev
	@$(BIN)/python -m tests.bench

simulate: ## replication under seeded faults (SEEDS=1-100), or the laws of a case (EXAMPLES=10000)
	@scripts/venv dev
ifdef EXAMPLES
	@EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q -n 2 --timeout 0 tests/casework/test_fold_laws.py
else
	@$(BIN)/python -m tests.simulation --seeds "$(SEEDS)"
endif

format: ## put every file into the project's format
	@scripts/venv dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built (never the data of a demo)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .artifacts build ./*.egg-info
