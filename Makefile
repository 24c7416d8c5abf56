# Bare `make` prints the targets. Everything runs from .venv, which `make setup` makes.

.DEFAULT_GOAL := help
.PHONY: help setup demo browser test check lint docs compose-check clean

BIN := .venv/bin
# What needs the local stack's servers, or a Raspberry Pi, is marked so (see pyproject.toml).
STACK := db or mqtt or e2e

help: ## Print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Make .venv with everything in it; on Debian as root, install what is missing
	@bash provisioning/setup.sh

demo: setup ## Start everything with a simulated pilot and print its address; Ctrl-C ends it
	@exec $(BIN)/msl demo

browser: ## Install Debian's chromium where it is missing (as root)
	@bash provisioning/browser.sh

test: browser check ## Run everything, against the real database, broker and browser
	$(BIN)/python -m pytest -m "($(STACK)) and not hardware" --durations=15

check: lint ## Lint, types, import rules, and the tests that need no server
	$(BIN)/python -m pytest -m "not ($(STACK)) and not hardware" --durations=5

lint: setup ## Lint, types and import rules alone
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup ## Make the generated documents anew
	$(BIN)/python -m contract.asyncapi
	$(BIN)/python -m contract.wire_page
	$(BIN)/python -m provisioning.compose.broker_files
	$(BIN)/python -m dashboards

compose-check: setup ## Check docker-compose.yml with docker-compose's own config, without an engine
	$(BIN)/python -m provisioning.localstack compose-config --env-file .env.example > /dev/null

clean: ## Remove what runs and tests left here; .venv and the cached root stay
	rm -rf .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
