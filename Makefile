# Every target does its own set-up; nothing has to be run before another.
# `make run`, `make serve` and `make test` are the three to know.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
WORKFLOW ?= workflows/text_to_image.json
ARGS ?=
# A system's Node is used when it is new enough, the wheel's otherwise.
NODE_OK := $(shell node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit(a>20||(a===20&&b>=19)?0:1)' 2>/dev/null && echo yes)
ifeq ($(NODE_OK),yes)
NPM := npm
else
NPM := PATH="$(CURDIR)/$(VENV)/node:$$PATH" npm
endif
# Tests that run at once, a file in one process. More than two want some 3 GB each.
WORKERS ?= 2
# Where hypothesis is used: soaks try new cases there.
PROPERTIES = $(shell grep -rl "from hypothesis" tests)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help run serve test test-firefox lint web bench soak starter starter-score check-python check-web chromium clean

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

# pip takes the constraints for build environments from PIP_CONSTRAINT only.
$(VENV)/.runtime: constraints.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check torch -e .
	@touch $@

$(VENV)/.dev: constraints.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check torch -e ".[dev]"
	@mkdir -p $(VENV)/node && ln -sf ../bin/node ../bin/npm ../bin/npx $(VENV)/node/ 2>/dev/null || true
	@touch $@ $(VENV)/.runtime

run: $(VENV)/.runtime ## Draw workflows/text_to_image.json (or WORKFLOW=...) and print the picture's path
	@$(BIN)/sfumato run $(WORKFLOW) $(ARGS)

serve: $(VENV)/.runtime ## Serve the editor on http://127.0.0.1:8188
	@$(BIN)/sfumato serve $(ARGS)

# The browser's driver keeps an event loop in its process, so those tests have one of their own.
test: lint check-web chromium ## Everything that must hold: linters, types, Python, web and browser tests
	$(PYTEST) -m "not soak and not e2e" -n $(WORKERS) --dist loadfile $(ARGS)
	$(PYTEST) -m "e2e and not soak" tests/e2e $(ARGS)

lint: $(VENV)/.dev ## Ruff, pyright, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

check-python: $(VENV)/.dev ## The Python tests that need no browser
	$(PYTEST) -m "not soak and not e2e" -n $(WORKERS) --dist loadfile $(ARGS)

web/node_modules/.package-lock.json: web/package-lock.json | $(VENV)/.dev
	cd web && $(NPM) ci --no-audit --no-fund --loglevel=error

web: web/node_modules/.package-lock.json ## Build web/dist
	cd web && $(NPM) run build

check-web: web/node_modules/.package-lock.json ## Lint, types, unit tests of editor and client; web/dist is what its sources build
	cd web && $(NPM) run lint && $(NPM) run typecheck && $(NPM) exec -- tsc -p client && $(NPM) test
	cd web && $(NPM) run build && git diff --exit-code --stat -- dist

chromium: ## Get a browser for the browser tests, where Debian's packages can be installed
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || test -n "$$CHROMIUM" || \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else echo "No Chromium: install Debian's package 'chromium', or set CHROMIUM to a browser's path." >&2; exit 1; fi

test-firefox: web/node_modules/.package-lock.json ## The editor in Firefox: not part of `make test`
	@command -v firefox-esr >/dev/null || command -v firefox >/dev/null || test -n "$$FIREFOX" || \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends firefox-esr >/dev/null; \
	  else echo "No Firefox: install Debian's package 'firefox-esr', or set FIREFOX to a browser's path." >&2; exit 1; fi
	cd web && OMP_NUM_THREADS=1 PYTHON="$(CURDIR)/$(BIN)/python" $(NPM) run test:firefox

bench: $(VENV)/.dev chromium ## Measure the hot paths; prints JSON
	@for script in tests/bench/*.py; do OMP_NUM_THREADS=1 $(BIN)/python $$script || exit 1; done

soak: web/node_modules/.package-lock.json chromium ## The long fault, fuzz and soak suites; properties with new cases
	cd web && SOAK=1 $(NPM) test
	$(PYTEST) -m soak $(ARGS)
	$(PYTEST) -m "not soak and not e2e" --hypothesis-profile=default $(PROPERTIES)

starter: $(VENV)/.dev ## Train the bundled model and its companions from nothing (hours on a CPU, resumable)
	$(BIN)/python -m nodes.starter.train $(ARGS)
	$(BIN)/python -m nodes.starter.companions
	$(BIN)/python -m nodes.starter.score --card nodes/starter/MODEL_CARD.md

starter-score: $(VENV)/.dev ## Score the bundled model and its companions
	$(BIN)/python -m nodes.starter.score $(ARGS)

clean: ## Remove what was installed and built here (not web/dist)
	rm -rf $(VENV) web/node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache
