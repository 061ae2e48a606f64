# `make demo` and `make test` do all their own set-up: they need Python 3.11+ with venv, and make.
PYTHON ?= python3
BIN := .venv/bin
DEMO := runs/demo

.PHONY: demo test lint docs clean

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("ganworks needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@echo "Setting up .venv (once; about a minute, most of it torch) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt torch
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: .venv/ready
	@rm -rf $(DEMO)
	@$(BIN)/ganworks train image data=digits out=$(DEMO) budget=75s

test: .venv/ready
	@$(BIN)/ruff check src tests benchmarks examples
	@$(BIN)/pyrefly check
	@$(BIN)/pytest -n 2 --dist worksteal

docs: .venv/ready
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --quiet
	@echo "The site is in build/site: open build/site/index.html"

lint: .venv/ready
	@$(BIN)/ruff check --fix src tests benchmarks examples
	@$(BIN)/pyrefly check

clean:
	rm -rf .venv build dist src/*.egg-info
