# Every target stands on .venv, which is made from the lock file when it is missing or older than it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help env demo test test-unit test-fast browser-test screenshots chromium check format docs bench soak \
  soak-mixed fuzz compose-test audit lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 22

env: .venv/.made  ## make the environment, .venv, from the lock file

.venv/.made: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'dubq needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 2; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: env  ## run the whole service on real jobs and show what waiting costs
	$(BIN)/dubq demo

# most tests wait for processes more than they compute, so four at a time suit two cores; and those that wait longest
# come first in the order of the folders, not last as the smallest modules
test: env  ## run every test
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

# compiled once, whatever the environment says of bytecode; of pytest's plugins only the one that is configured; and who
# starts no process needs no capturing of what one prints
FAST = PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$(CURDIR)/.pytest_cache/bytecode" \
  $(BIN)/python -m pytest tests/unit --disable-plugin-autoload -p pytest_timeout --capture=sys

test-unit: env  ## run the tests that need no socket and no Redis, in some nine seconds
	$(FAST) -m 'not sockets and not store'

test-fast: env  ## run those, and the store's on fakeredis
	$(FAST) -m 'not sockets'

browser-test: env chromium  ## try the page in a real Chromium
	$(BIN)/python -m pytest tests/browser

screenshots: env chromium  ## take the pictures of docs/images again
	$(BIN)/python docs/images/build.py

chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && \
	  apt-get install -q -y --no-install-recommends chromium; } || \
	  { echo 'the page is tried in Chromium, and there is none: apt-get install chromium' >&2; exit 2; }

check: env  ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: env  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: env  ## make docs/reference/client.md and docs/openapi.json of the code again
	$(BIN)/python docs/reference/build.py
	$(BIN)/python docs/reference/openapi.py

bench: env  ## print the figures of docs/benchmarks.md again
	$(BIN)/python -m benchmarks

soak: env  ## a minute of killed workers and restarts of Valkey under load
	$(BIN)/python -m pytest -s tests/soak

FOR_S ?= 600

soak-mixed: env  ## ten minutes (FOR_S) of mixed load near the peak: no error that is not the caller's, nothing grows
	$(BIN)/python -m benchmarks.mixed $(FOR_S)

fuzz: env  ## let schemathesis loose on gunicorn and Valkey, with other requests each time
	$(BIN)/python -m pytest -s tests/fuzz

compose-test: env  ## try docker-compose.yml on a real Docker engine
	$(BIN)/python -m pytest tests/compose

# what was found, or that nobody could be asked: then nothing is known
audit: env  ## ask a service that knows vulnerabilities about everything that is pinned
	@told=$$($(BIN)/pip-audit --vulnerability-service $(AUDIT) --strict --disable-pip --progress-spinner off \
	    -r requirements/runtime.txt -r requirements/dev.txt -r requirements/build.txt 2>&1) \
	  && { echo "$$told"; exit; }; \
	echo "$$told" | grep -q '^Found ' && { echo "$$told"; exit 1; }; \
	echo "$$told" | tail -n 1; echo 'audit: $(AUDIT) could not be asked, so nothing is known; AUDIT=pypi asks the index' >&2; exit 3

AUDIT ?= osv

lock: env  ## pin every dependency again, with hashes and without naming an index
	$(BIN)/pip-compile $(LOCK) --extra service -o requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra dev --extra notify --extra rq-dashboard --extra service --all-build-deps -c requirements/runtime.txt -o requirements/dev.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --only-build-deps --build-deps-for wheel -c requirements/dev.txt -o requirements/build.txt pyproject.toml

LOCK := --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean:  ## remove what can be made again
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
