# `make` alone lists the targets. Everything lives in .venv and .cache, and in BentoML's own store.
# PYTHON=… chooses the Python of a new .venv, else deploy/venv finds one.

VENV := .venv
BIN := $(VENV)/bin
PINS := .cache/pins.txt
OPTIONS := --quiet --disable-pip-version-check --constraint $(PINS) \
	--constraint deploy/requirements-import.txt
INSTALL := $(BIN)/pip install $(OPTIONS)
# Of torch without CUDA, for Linux; empty takes torch from where the rest comes from.
export TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Apart, for some tests: BentoML takes them where it finds them.
FAST_SERVER := $(VENV)/fast-server
# A file of tests at a time in each of two processes: most of the time one waits for another to start.
TESTS := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 2 --dist loadfile
SOURCES := clip_ranker service.py import_model.py tests deploy bench
export BENTOML_DO_NOT_TRACK := True
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-pythons evaluate test-processes test-redis test-faults test-clients test-browser screenshots bench image test-deploy lint format types clean pin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.import ## set up, choose a model (MODEL=…), serve on port 8000 (PORT=…)
	@CLIP_MODEL="$${CLIP_MODEL:-$$MODEL}" $(BIN)/python -m clip_ranker.cli.run

test: $(VENV)/.dev ## set up and run the tests (ARGS='-k fetch' for some)
	$(TESTS) $(ARGS)

bench: $(VENV)/.bench ## set up and measure, twenty quiet minutes (ARGS=--quick to see that it works)
	$(BIN)/python -m bench $(ARGS)

evaluate: $(VENV)/.bench ## build data sets and judge the starter and settings, 15 quiet minutes (needs apt-get)
	$(BIN)/python -m bench.evaluate $(ARGS)

test-pythons: ## run the tests with each supported Python that is here, but for that of .venv
	@for version in 3.11 3.12 3.13; do \
		if [ -e $(VENV)/bin/python$$version ] || ! python$$version -c '' 2>/dev/null; then continue; fi; \
		$(MAKE) test VENV=.cache/python$$version PYTHON=python$$version || exit; \
	done

test-processes: $(VENV)/.dev ## run the tests of processes that are stopped, or die and come back
	$(TESTS) tests/processes $(ARGS)

test-redis: $(VENV)/.dev ## run the tests of the shared cache (needs Debian's redis-server)
	@deploy/need redis-server redis-server
	$(BIN)/python -m pytest tests/redis $(ARGS)

image: docker-answers $(VENV)/.import ## build the image clip-api:latest (MODEL=… for another than openclip_vit_b32, PLATFORM=linux/amd64 on a Mac)
	@deploy/image.sh $(BIN)

test-faults: $(VENV)/.dev ## minutes of dying servers, clients and embedders, and the most memory (FAULTS_S=180)
	$(BIN)/bandit --quiet --recursive --severity-level medium clip_ranker service.py import_model.py
	$(BIN)/python -m pytest tests/faults $(ARGS)

.PHONY: docker-answers
docker-answers:
	@docker info >/dev/null 2>&1 || { echo "image: no Docker engine answers ('docker info' tells more). Install one and start it." >&2; exit 1; }

test-deploy: $(VENV)/.dev ## prove the image, compose and Caddy with a real Docker engine
	@deploy/test-deploy.sh $(BIN)

.PHONY: test-swarm
test-swarm: $(VENV)/.dev ## put three replicas through the worst on a swarm of their own (SWARM_S=120)
	@deploy/test-swarm.sh $(BIN)

test-clients: $(VENV)/.dev clients/typescript/node_modules clients/expo/node_modules ## test the TypeScript client and the Expo example (needs Debian's npm)
	$(BIN)/python -m pytest tests/clients $(ARGS)

test-browser: $(VENV)/.dev tests/browser/node_modules ## test the pages in a browser (needs Debian's chromium and npm)
	@deploy/need chromium chromium
	$(TESTS) tests/browser $(ARGS)

screenshots: $(VENV)/.dev ## renew docs/screenshots (needs Debian's chromium and fonts-noto-cjk)
	@deploy/need chromium chromium
	$(BIN)/python -m tests.browser.screenshots

lint: $(VENV)/.dev ## check style, formatting and the directions of imports
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter

format: $(VENV)/.dev ## repair style and formatting
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: $(VENV)/.dev ## check types
	$(BIN)/mypy

clean: ## remove the environment and caches, not BentoML's store
	rm -rf $(VENV) .cache

requirements.txt: pyproject.toml
	@echo 'pyproject.toml is newer than requirements.txt: if dependencies changed, run make pin' && touch $@

COMPILE := $(BIN)/uv pip compile --upgrade --python-version 3.11 --python-platform linux \
	--no-header --no-annotate --quiet
pin: $(VENV)/.dev ## renew requirements.txt from pyproject.toml, and what else the image is built with
	$(COMPILE) --generate-hashes --output-file requirements.txt pyproject.toml
	@$(MAKE) --no-print-directory $(PINS)
	$(COMPILE) --extra import --constraint $(PINS) --output-file - pyproject.toml | \
		grep --invert-match --line-regexp --fixed-strings --file $(PINS) \
		>deploy/requirements-import.txt
	$(BIN)/uv --version | awk '{print "uv==" $$2}' | \
		$(COMPILE) --generate-hashes --output-file deploy/requirements-uv.txt -
	grep --only-matching 'opencv-python-headless[^"]*' pyproject.toml | \
		$(COMPILE) --generate-hashes --no-deps --output-file deploy/requirements-local.txt -

# One hash among them, and pip wants one of everything, of this folder too.
$(PINS): requirements.txt
	@mkdir -p $(@D)
	@grep --only-matching '^[^ #]*==[^ ]*' requirements.txt >$@

# Installing is slow and rare: a stamp remembers it.
$(VENV)/.import: $(PINS) deploy/requirements-import.txt
	@test -x $(BIN)/python || deploy/venv $(VENV) $(PYTHON)
	@echo 'installing what importing and serving need (torch is large, this takes minutes once) …'
	@deploy/torch $(BIN)/python $(OPTIONS)
	@$(INSTALL) --editable '.[import]'
	@touch $@

$(VENV)/.dev: $(PINS) deploy/requirements-import.txt
	@test -x $(BIN)/python || deploy/venv $(VENV) $(PYTHON)
	@echo 'installing what the tests need (torch is large, this takes minutes once) …'
	@deploy/torch $(BIN)/python $(OPTIONS)
	@$(INSTALL) --editable '.[dev]'
	@$(INSTALL) --upgrade --target $(FAST_SERVER) uvloop==0.23.0 httptools==0.9.0
	@touch $@ $(VENV)/.import

$(VENV)/.bench: $(VENV)/.dev
	@$(INSTALL) --editable '.[bench]'
	@touch $@

# The example has the client as any app has it: from a tarball.
clients/expo/node_modules: clients/expo/package-lock.json | clients/typescript/node_modules
	@cd clients/typescript && npm pack --silent --pack-destination ../expo/vendor
	@cd clients/expo && npm ci --silent
	@touch $@

%/node_modules: %/package-lock.json
	@deploy/need npm npm
	@cd $* && npm ci --silent
	@touch $@
