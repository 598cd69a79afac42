# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Needs GNU make, git, Python 3.11+ with its venv module, and a package index. All it makes is in .venv/ and .dev/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
NEXT_PYTHON ?= $(firstword $(shell for p in python3.14 python3.13 python3.12; do $$p -c '' 2>/dev/null && echo $$p; done))
VENV := .venv

# ansible-test wants the checkout under ansible_collections/NAMESPACE/NAME, and no link: it gets a copy. All else gets a link.
LINK := .dev/tree/ansible_collections/holdfast/config
COPY := .dev/copy/ansible_collections/holdfast/config
TEST_HOME := .dev/home

HOST_PATH := $(PATH)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.dev/tree
export PYTHONPATH := $(CURDIR)/.dev/tree
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The tests of what hosts and Ansible load: of the library, Ansible's edge alone.
LOADED = $$(find tests/unit/plugins -name 'test_*.py' \( -not -path '*/plugin_utils/*' -o -path '*/adapter/*' \))

# pyenv's shims name Pythons that are not there, which ends ansible-test. It takes HOME and PATH from here, little else.
ANSIBLE_TEST = cd $(COPY) && HOME="$(CURDIR)/$(TEST_HOME)" \
	PATH="$$(tr : '\n' <<< "$$PATH" | grep -vE 'pyenv[^/]*/shims' | paste -sd:)" ansible-test

PARTS := lint unit sanity units importer packaging molecule system attacks promises

.PHONY: help setup hooks demo quick test test-next test-hosts test-root test-integration test-events servers $(PARTS) bench bench-page first-hour \
  attacks-page duties-page platforms-page docs-site simulation lab-up lab-down changelog lock copy link clean

#: Begin
help: ## print this
	@awk -F ':.*## ' '/^#: / { printf "\n%s\n", substr($$0, 4) } /^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.dev link ## make .venv from pinned requirements, and the link that makes this checkout holdfast.config
	@python -c 'import sys, ansible.release as r; print("ansible-core", r.__version__, "on Python", sys.version.split()[0])'

hooks: setup ## look at what is committed before each commit, by .pre-commit-config.yaml; fetches nothing
	pre-commit install

demo: $(VENV)/.runtime link ## back up this machine, change a file, restore and verify: no root, nothing needed but Python
	python demo/run.py

#: While you work
quick: $(VENV)/.dev link ## seconds: the laws, and the unit tests that mirror the files that differ from main
	python -m pytest -q -n auto $$(python tests/unit/quick.py)

lab-up: $(VENV)/.dev link servers ## MinIO, Vault and a repository to use by hand, below .dev/lab; a second call tells again how
	@python -m ansible_collections.holdfast.config.tests.lab.hand up .dev/lab

lab-down: $(VENV)/.dev link ## end what lab-up started, and remove .dev/lab
	@python -m ansible_collections.holdfast.config.tests.lab.hand down .dev/lab

#: What a change must pass
test: setup ## all of the tests that need Python alone: the ten parts below
	@report=; trap 'printf "%b" "$$report"' EXIT; \
	for part in $(PARTS); do \
	  printf '\n== make %s\n' $$part; start=$$SECONDS; $(MAKE) $$part; report+="== $$part: $$((SECONDS - start)) s\n"; \
	done

lint: $(VENV)/.dev link ## style, types, licences, changelog and documentation
	ruff check .
	ruff format --check .
	mypy $(LINK)/plugins
	reuse lint --quiet || reuse lint
	ansible-lint
	antsibull-changelog lint
	mkdir -p $(TEST_HOME) && HOME="$(CURDIR)/$(TEST_HOME)" antsibull-docs lint-collection-docs --plugin-docs .

unit: $(VENV)/.dev link ## unit tests
	python -m pytest -n auto tests/unit

sanity: $(VENV)/.dev copy ## ansible-test sanity
	$(ANSIBLE_TEST) sanity --local --color no

# ansible-test forks for each test: the library's tests, which need none of it, are run by `unit` alone.
units: $(VENV)/.dev copy ## unit tests of what hosts and Ansible load, as ansible-test runs them
	$(ANSIBLE_TEST) units --venv --python default --num-workers 2 --color no $(LOADED)

importer: $(VENV)/.dev ## build the collection and check it as Galaxy does on upload
	rm -rf .dev/dist && mkdir -p .dev/dist
	ansible-galaxy collection build --output-path .dev/dist
	cd .dev/dist && GALAXY_IMPORTER_CONFIG="$(CURDIR)/tests/galaxy-importer.cfg" python -m galaxy_importer.main *.tar.gz

packaging: $(VENV)/.dev link ## installed in a bare environment, in an execution environment, beside another version
	python -m pytest -n auto --dist loadfile tests/packaging

molecule: $(VENV)/.dev link ## molecule scenarios
	molecule test --all --exclude backup_root --exclude restore_root --exclude restore_devices --exclude backup_sshd --exclude storage --exclude keyring --exclude awx

system: $(VENV)/.dev link ## whole runs of ansible-playbook
	python -m pytest -n auto --dist loadfile tests/system

attacks: $(VENV)/.dev link ## attacks on a repository, and what withstands or finds each
	python -m pytest tests/attacks

promises: $(VENV)/.dev link ## break the code once for each promise, and see its test fail
	python -m pytest -n auto tests/promises

#: Tests that need more than Python
test-hosts: $(VENV)/.dev link ## every way to a host over SSH daemons on loopback, and every way it can fail; needs openssh-server
	python -m pytest tests/hosts

test-root: $(VENV)/.dev link ## whole hosts with systemd, in containers: takes root, and systemd-container
	python -m pytest tests/root

test-integration: $(VENV)/.dev link servers ## real S3 servers and a real Vault on loopback; needs Go 1.25 and Debian's radosgw ceph-mon ceph-osd ceph-common
	$(MAKE) VENV=.dev/aws PYTHON="$(CURDIR)/$(VENV)/bin/python" .dev/aws/.aws
	python -m pytest tests/integration

test-events: $(VENV)/.dev link ## real ansible-rulebook: signed webhooks and what devices log; needs a Java of 17 or later
	@command -v java > /dev/null || { echo "java is missing: on Debian install default-jre-headless" >&2; exit 1; }
	$(MAKE) VENV=.dev/eda PYTHON="$(CURDIR)/$(VENV)/bin/python" .dev/eda/.eda
	python -m pytest tests/events

# The library knows no Ansible: there, it and its tests are loaded; `unit` runs them.
test-next: link ## unit tests of what Ansible loads under the newest ansible-core, or NEXT_TESTS=tests/unit; needs Python 3.12+
	$(if $(NEXT_PYTHON),,$(error no Python 3.12 or later found: name one with NEXT_PYTHON=))
	$(MAKE) VENV=.venv-next PYTHON="$(NEXT_PYTHON)" .venv-next/.next
	@loaded=$$(.venv-next/bin/python -m pytest --collect-only -qq tests/unit) || { echo "$$loaded"; exit 1; }
	.venv-next/bin/python -m pytest -n auto $(or $(NEXT_TESTS),tests/unit/test_*.py $(LOADED))

servers: ## build the servers that come as Go modules, once for each version, into ~/.cache/holdfast-lab
	@PATH="$(HOST_PATH)" nice $(PYTHON) tests/lab/go_build.py

#: Pages and figures
attacks-page: $(VENV)/.dev link servers ## try every attack on the S3 servers, and write docs/design/attacks_s3.md anew
	python -m ansible_collections.holdfast.config.tests.integration.attacks_page

duties-page: $(VENV)/.dev link ## write the tables of docs/design/duties.md, and the policies of docs/guide_vault.md, anew from the matrix
	python -m ansible_collections.holdfast.config.tests.unit.duties_page

platforms-page: $(VENV)/.dev link ## write docs/design/platform_rules.md, and the table of docs/guide_platforms.md, anew from the platforms
	python -m ansible_collections.holdfast.config.tests.unit.platforms_page

SITE := .dev/site
docs-site: $(VENV)/.dev link ## all pages and what ansible-doc says, as a site below .dev/site/html; a warning is an error
	rm -rf $(SITE) && mkdir -p -m 0755 $(SITE)/source/collections $(TEST_HOME)
	git ls-files -z --cached --others --exclude-standard --deduplicate \
	  | tar --create --null --files-from - --ignore-failed-read --warning no-failed-read | tar --extract --directory $(SITE)/source
	cp docs/docsite/index.rst docs/docsite/ansible.rst $(SITE)/source
	HOME="$(CURDIR)/$(TEST_HOME)" antsibull-docs collection --use-current --squash-hierarchy --fail-on-error \
	  --dest-dir $(SITE)/source/collections holdfast.config
	sphinx-build -q --jobs auto --fail-on-warning --keep-going -c docs/docsite $(SITE)/source $(SITE)/html
	@echo "$(CURDIR)/$(SITE)/html/index.html"

bench: $(VENV)/.dev link servers ## measurements, half an hour on a quiet machine; not part of `make test`
	$(MAKE) VENV=.dev/bench PYTHON="$(CURDIR)/$(VENV)/bin/python" .dev/bench/.bench
	python -m pytest tests/bench

bench-page: $(VENV)/.dev link ## put the tables that `make bench` printed last into docs/benchmarks.md
	python -m ansible_collections.holdfast.config.tests.bench.report

first-hour: $(VENV)/.dev link servers ## a newcomer's first hour on a clone of the last commit, beside restic's: commands and seconds, for docs/guide_alternatives.md
	python -m ansible_collections.holdfast.config.tests.first_hour

simulation: $(VENV)/.dev link ## 2,000 histories of 500 days, and the same with one rule removed at a time; not part of `make test`
	python -m ansible_collections.holdfast.config.tests.unit.simulation.large $(SIMULATION)

#: Upkeep
changelog: $(VENV)/.dev ## turn changelogs/fragments into the entry of the version in galaxy.yml
	antsibull-changelog release --reload-plugins

lock: ## write requirements/*.txt anew from requirements/*.in; needs uv
	cd requirements && for name in runtime dev bench eda aws; do \
	  uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 $$name.in -o $$name.txt; done
	cd requirements && uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.12 next.in -o next.txt

clean: ## remove what the other targets made
	rm -rf .dev .venv .venv-next .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

link:
	@mkdir -p $(dir $(LINK)) && { [[ "$$(readlink $(LINK))" == "$(CURDIR)" ]] || ln -sfn "$(CURDIR)" $(LINK); }

copy:
	@rm -rf .dev/copy && mkdir -p $(COPY)
	@git ls-files -z --cached --others --exclude-standard --deduplicate \
	  | tar --create --null --files-from - --ignore-failed-read --warning no-failed-read | tar --extract --directory $(COPY)
	@git init --quiet $(COPY)
	@python tests/ansible_test_home.py $(TEST_HOME)

$(VENV)/.python:
	@PATH="$(HOST_PATH)" $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is not Python 3.11 or later: name one with PYTHON=" >&2; exit 1; }
	PATH="$(HOST_PATH)" $(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.%: requirements/%.txt $(VENV)/.python
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@
