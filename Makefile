# `make bench`, `make quick` and `make test` do everything on a machine with Python 3.11 or later, a C++ compiler and no more.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash

# A test process has cores of its own.
PROCESSES := $(shell nproc | awk '{ print ($$1 > 1) ? 2 : 1 }')

.PHONY: bench quick test clean
.DELETE_ON_ERROR:

bench quick: $(VENV)/installed
	$(BIN)/python -m pytest bench/ --benchmark-only $(if $(filter quick,$@),--quick); raced=$$?; \
	case $$raced in 2|130) exit $$raced;; esac; \
	$(BIN)/python -m bench.report; reported=$$?; \
	exit $$(( raced > reported ? raced : reported ))

test: $(VENV)/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy -n 2
	$(BIN)/python -m pytest tests --timeout=300 -q -m "not alone" -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --benchmark-disable
	$(BIN)/python -m pytest tests --timeout=300 -q -m alone

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e '.[test,page,histogram]'
	@# On every core, where pip compiles on one; like pip it passes over what this Python cannot read.
	@$(BIN)/python -m compileall -qq -j 0 '$(CURDIR)/$(VENV)/lib' || true
	@$(BIN)/python -m backends
	@touch $@

clean:
	rm -rf $(VENV)
