# make run    start the server from this checkout (options: make run ARGS="--bind 0.0.0.0:8888")
# make test   lint, types and tests; stops at the first that fails
# make bench  measure the bundled stores (docs/bench.md; options: make bench ARGS=--quick)
# make clean  remove what these made
#
# Everything is installed into .venv. Another Python: make PYTHON=/path/to/python run

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DECLARED := setup.cfg pyproject.toml README.md LICENSE
SOURCES := $(shell find mqcore drivers -type f ! -name '*.pyc' ! -path '*/.*')

# Two more than there are processors: tests wait for disks, servers and timeouts, too.
TESTERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 2)))

.PHONY: run test bench servers clean
.DELETE_ON_ERROR:

run: $(VENV)/.run
	@exec $(BIN)/mqcore serve $(ARGS)

test: $(VENV)/.test servers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mqcore drivers/*/mqcore_* examples/mqcore-lmdb/mqcore_lmdb tests bench/*.py
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.test servers
	@$(BIN)/python bench/bundled.py $(ARGS)

# What tests and figures need besides Python: programs only. No package here starts a service, but
# postgresql makes a database when it is installed, unless it is told not to.
NO_CLUSTER := /etc/postgresql-common/createcluster.d/mqcore.conf
servers:
	@PATH="$$PATH:/usr/sbin:$$(echo /usr/lib/postgresql/*/bin | tr ' ' :)"; lacking=; \
	need() { command -v $$1 >/dev/null || lacking="$$lacking $$2"; }; \
	need wrk wrk; need postgres postgresql; need redis-cli redis-tools; \
	need mariadbd mariadb-server-core; need mariadb mariadb-client-core; \
	[ -z "$$lacking" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& mkdir -p $(dir $(NO_CLUSTER)) && trap 'rm -f $(NO_CLUSTER)' EXIT \
		&& echo "create_main_cluster = false" > $(NO_CLUSTER) && apt-get update \
		&& DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $$lacking; } \
	|| echo "not installed (Debian, Ubuntu: apt-get install$$lacking):" \
		"the tests and figures that need it are left out" >&2

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, two ways to fill it: each removes the mark of the other.
# `build` goes first, since setuptools would pack modules that are long deleted from it.
$(VENV)/.run: $(BIN)/pip $(DECLARED) $(SOURCES)
	@echo "installing mqcore into $(VENV)"
	@rm -rf build
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	@rm -rf build $(VENV)/.test
	@touch $@

$(VENV)/.test: $(BIN)/pip $(DECLARED)
	@echo "installing mqcore and its test tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@rm -f $(VENV)/.run
	@touch $@

# Without ensurepip the environment would have no pip: Debian keeps it in python3-venv.
$(BIN)/pip:
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "mqcore needs Python 3.11 or newer: install it (Debian: apt-get install python3" \
			"python3-venv), or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
			&& apt-get update && apt-get install --yes python3-venv; } \
		|| { echo "$(PYTHON) cannot make virtual environments: run apt-get install python3-venv" \
			"as root (Debian, Ubuntu), or name another: make PYTHON=/path/to/python" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
