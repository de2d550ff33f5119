# `make` or `make help` lists the targets. Everything is set up on first use, into .tools and .venv.

PYTHON ?= python3
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/
UV := .tools/bin/uv
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pieced-billing-sidecar
export UV_PYTHON_DOWNLOADS := never
export KUBEBUILDER_ASSETS ?= $(CACHE)/envtest/1.36.3

.DEFAULT_GOAL := help
.PHONY: help demo run test fuzz check fix e2e envtest bench picture requirements

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "This needs Python 3.11 or newer as '$(PYTHON)' (or: make PYTHON=/path/to/python3.11)." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no 'venv' module. Install it (Debian, Ubuntu: apt-get install python3-venv) and run make again." >&2; exit 1; }
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv~=0.13.9'

$(VENV)/.ready: pyproject.toml | $(UV)
	@$(UV) venv --quiet --clear --python $(PYTHON) $(VENV)
	@$(UV) pip install --quiet --python $(RUN)python --editable '.[demo]' --group dev
	@touch $@

demo: $(VENV)/.ready ## tell the main story on embedded parts (ARGS=--keep leaves it running, ARGS=--fast has no pauses)
	@$(RUN)python -m sidecar demo $(ARGS)

run: $(VENV)/.ready ## run the sidecar with the settings of the environment
	@$(RUN)python -m sidecar $(ARGS)

test: $(VENV)/.ready ## unit, integration and acceptance tests, on an embedded Postgres (or on DATABASE_URL)
	@$(RUN)python -m pytest tests/unit tests/integration tests/acceptance $(ARGS)

check: $(VENV)/.ready ## format, lint, types, import layers
	@$(RUN)ruff format --check .
	@$(RUN)ruff check .
	@$(RUN)mypy
	@$(RUN)lint-imports --no-cache

fix: $(VENV)/.ready ## format, and mend what the linter can
	@$(RUN)ruff check --fix .
	@$(RUN)ruff format .

envtest: $(VENV)/.ready ## build kube-apiserver, etcd and kubectl once, unless KUBEBUILDER_ASSETS has them
	@tests/e2e/envtest/build "$(KUBEBUILDER_ASSETS)"

fuzz: export FUZZ_EXAMPLES ?= 5000
fuzz: $(VENV)/.ready ## send nonsense to the webhooks and to `ingest`, for about an hour (FUZZ_EXAMPLES=5000)
	@$(RUN)python -m pytest tests/integration/test_fuzz.py --timeout 0 $(ARGS)

e2e: envtest ## the same story on a real kube-apiserver, etcd and Postgres
	@$(RUN)python -m pytest tests/e2e $(ARGS)

# Keeps the versions that are there as long as pyproject.toml allows them (ARGS=--upgrade: takes the newest).
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command 'make requirements' $(ARGS)

requirements: | $(UV) ## pin what the image installs, by hash: requirements.txt, requirements-build.txt
	@$(COMPILE) --output-file requirements.txt pyproject.toml
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(COMPILE) --output-file requirements-build.txt -

picture: $(VENV)/.ready ## draw docs/dashboard.png from a run of the demo's parts (four minutes)
	@$(UV) pip install --quiet --python $(RUN)python --group picture
	@$(RUN)python docs/draw_dashboard.py docs/dashboard.png

bench: $(VENV)/.ready ## measure, print a table, write bench/results/
	@$(RUN)python -m bench $(ARGS)
