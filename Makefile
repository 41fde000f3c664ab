# The commands of this repository. Most set up .venv first, which takes a minute once and no time afterwards.
#
#   make test ARGS="-k confirm"   passes arguments to pytest (likewise to the demo, the UI and others)
#   make PYTHON=python3.12 test   chooses the interpreter for .venv

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test thorough pictures chaos campaign bench lint format constraints clean

PYTHON ?=
ARGS ?=
RUNS ?= 200
SEED ?= random
SIZE ?= default
# Relative, so that the folder of the checkout may have any name.
RUN := .venv/bin/python -m

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## create or refresh .venv
	@PYTHON="$(PYTHON)" bash scripts/setup.sh

demo: setup ## damage a day, reload it, and show that production equals the source
	@$(RUN) reload_assets.local.demo $(ARGS)

ui: setup ## serve the Dagster UI on the embedded stack until Ctrl-C
	@$(RUN) reload_assets.local.ui $(ARGS)

# No reordering: the tests of the UI take longest, and their folder comes first.
test: setup ## run the tests, three at a time
	@$(RUN) pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

thorough: setup ## test the stand-ins, the benchmark and the campaign, and a few more combinations
	@$(RUN) pytest -n 3 --dist loadfile -m thorough $(ARGS)

pictures: setup ## take the pictures of the documentation anew, by the test that follows README's steps in a browser
	@RELOAD_TEST_PICTURES=1 $(RUN) pytest -m browser reload_assets_tests/browser $(ARGS)

chaos: setup ## kill runs beside a real daemon, and check that their remains are cleaned up within a minute
	@$(RUN) pytest -m chaos $(ARGS)

campaign: setup ## reload RUNS times beside a chaotic writer and CDC, and compare with other merges (SEED=... repeats a run)
	@$(RUN) reload_assets_tests.campaigns --runs $(RUNS) --seed $(SEED) $(ARGS)

bench: setup ## measure merge, load, verification and overhead side by side (SIZE=small|full)
	@$(RUN) benchmarks --size $(SIZE) $(ARGS)

lint: setup ## check style, types, SQL and YAML
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) sqlfluff lint sql benchmarks/sql
	$(RUN) yamllint --strict .

format: setup ## rewrite Python and SQL in this repository's style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .
	$(RUN) sqlfluff fix sql benchmarks/sql

constraints: ## update constraints.txt from pyproject.toml, with uv (ARGS=--upgrade for newer versions)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --no-header --no-annotate --quiet \
		--output-file constraints.txt $(ARGS)

clean: ## remove .venv and the files that tools have left behind
	rm -rf .venv .setup.log build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
