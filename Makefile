# All commands for developers and operators. `make` lists them.
.DEFAULT_GOAL := help
# `worksteal`: a process that has finished its share takes tests from the others, so that no core is idle at the end.
PARALLEL := -n auto --dist worksteal
SERVICE_TESTS := $(PARALLEL) tests/unit --ignore tests/unit/infra
.PHONY: $(shell sed -n "s/^\([a-z-]*\):.*\#\# .*/\1/p" Makefile)

PYTHON ?= python3
BIN := .venv/bin
# Operators need fewer packages than developers. Their targets use the developers' environment where there is one.
OPERATOR := setup-ops access deploy rollback rotate destroy
READY := $(if $(or $(wildcard .venv/ready),$(filter-out $(OPERATOR),$(MAKECMDGOALS))),.venv/ready,.venv/ready-ops)
# Ten seconds before a release and at it; the midnight before; a Friday evening and a weekend; the start of a slot; the first
# slot of a Tuesday, and the window of a draw that opens on a Thursday; the new year; before and after both clock changes; a
# leap day. Each weekday occurs.
CLOCKS := 2026-11-30T08:59:50+01:00 2026-11-30T09:00:00+01:00 2026-11-29T23:59:59.999+01:00 2026-11-30T00:00:00+01:00 \
  2026-12-04T17:30:00+01:00 2026-12-05T12:00:00+01:00 2026-12-06T18:00:00+01:00 2026-12-02T10:00:00+01:00 \
  2026-12-01T09:15:00+01:00 2026-12-03T09:00:00+01:00 \
  2026-12-31T23:59:59.999+01:00 2027-01-01T00:00:00+01:00 2027-03-28T01:59:59.999+01:00 2027-03-28T03:00:00+02:00 \
  2027-10-31T02:59:59.999+02:00 2027-10-31T02:00:00+01:00 2028-02-29T12:00:00+01:00
NO_FAKETIME := --ignore tests/security/test_fuzz.py  # under faketime, waiting for a thread with a timeout never ends
OF_DATES := tests/unit/domain tests/unit/booking/test_schedule.py tests/unit/web/test_service_views.py tests/unit/allocation/test_draws.py
CATALOGUES := $(wildcard chalicelib/locale/*/LC_MESSAGES/*.po infra/ops/locale/*/LC_MESSAGES/*.po)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup  ## start the whole service on this machine; Ctrl-C stops it
	@$(BIN)/python -m infra.local

rush: setup  ## play a release: 2,000 visitors for 200 seats (URL= STAGE= VISITORS= SEATS= BOTS= KINDS= LOCAL= ...; HASTE=: larger means slower people)
	@URL='$(URL)' STAGE='$(STAGE)' VISITORS='$(VISITORS)' SEATS='$(SEATS)' RATE='$(RATE)' HASTE='$(HASTE)' WORKERS='$(WORKERS)' AT_ONCE='$(AT_ONCE)' \
	  BOTS='$(BOTS)' KINDS='$(KINDS)' SEAT_AFTER='$(SEAT_AFTER)' BATCH='$(BATCH)' INBOX='$(INBOX)' LOCAL='$(LOCAL)' \
	  $(BIN)/python -m tests.load.rush

bench-rush: setup  ## play 3,000 on 60 with each kind of program at 2, 20 and 50 % (20 minutes); RECORD=1 writes docs/fairness.md
	@$(BIN)/python -m tests.load.rush.table $(if $(RECORD),--record)

local: setup  ## run `chalice local` on port 8000 (PORT=) with a table, an inbox and the mailer on this machine; Ctrl-C stops it
	@$(BIN)/python -m infra.local.plain $(if $(PORT),--port '$(PORT)')

test: setup  ## run all tests but the long ones: lint, unit tests, proofs, the deployed stack, the browser
	@$(MAKE) --no-print-directory -j2 lint test-unit
	@$(MAKE) --no-print-directory --keep-going -j3 test-stack test-browser test-rest  # the last one is niced

test-unit: setup  ## run the unit tests of the service, a part of `make test`
	@$(BIN)/pytest $(SERVICE_TESTS)

test-stack: setup  ## test the deployed stack, a part of `make test`
	@$(BIN)/pytest tests/stack

test-slow: setup  ## run the slow unit tests, which `make check` leaves out (a minute)
	@$(BIN)/pytest $(SERVICE_TESTS) -m slow

test-rest: setup  ## run proofs and the tests of security, programs and load tools, a part of `make test`
	@nice -n 10 $(BIN)/pytest $(PARALLEL) tests/proof tests/security tests/unit/infra
	@nice -n 10 $(BIN)/pytest $(PARALLEL) tests/load  # apart: its programs set the environment when they are imported

test-browser: setup  ## test the pages in Chromium, a part of `make test`
	@$(BIN)/python -m infra.tools.browser
	@$(BIN)/pytest tests/browser

test-long: lint  ## run the long tests: slow unit tests with coverage, load tools, proofs and pages at full size, faults, the history check on every broken copy
	@$(BIN)/pytest $(SERVICE_TESTS) --cov
	@$(BIN)/python -m tests.load.mutants 2>/dev/null
	@$(BIN)/python -m tests.load.calls
	@GUICHET_LONG=1 $(BIN)/pytest $(PARALLEL) tests/proof tests/security/test_retention.py tests/security/test_fuzz.py \
	  tests/unit/web tests/unit/infra tests/load
	@GUICHET_LONG=1 $(BIN)/pytest tests/browser
	@$(MAKE) --no-print-directory scan drill drill-alarms
	@GUICHET_LONG=1 $(BIN)/pytest tests/stack/test_calls.py tests/stack/test_clocks.py tests/stack/test_faults.py \
	  tests/stack/test_mutants.py tests/stack/test_office.py

test-pythons: setup  ## run unit tests and a walk of the stack on Python 3.11, 3.13 and 3.14 (PYTHONS="3.13 /path/to/python3.14")
	@$(BIN)/python -m infra.local.pythons $(PYTHONS)

check: lint  ## check format, lint, types and the service's fast unit tests, in under a minute
	@$(BIN)/pytest $(SERVICE_TESTS) -m "not slow"

check-clocks: setup  ## run unit tests at 17 critical moments, on each weekday (FAKETIME=faketime sets the machine's clock too)
	@for moment in $(CLOCKS); do echo "pytest --shuffle --clock $$moment --seed $${SEED:-$$moment}"; \
	  $(if $(FAKETIME),$(FAKETIME) "$$moment") $(BIN)/pytest $(SERVICE_TESTS) tests/security tests/unit/infra/ops -m "not slow" \
	    $(if $(FAKETIME),$(NO_FAKETIME)) --shuffle --clock "$$moment" --seed "$${SEED:-$$moment}" || exit 1; done

check-weekdays: setup  ## run the unit tests of dates, schedules and calendars on each weekday (a minute)
	@for day in 30 1 2 3 4 5 6; do [ $$day = 30 ] && date=2026-11-30 || date=2026-12-0$$day; \
	  $(BIN)/pytest $(PARALLEL) $(OF_DATES) -m "not slow" --clock $${date}T12:00:00+01:00 || exit 1; done

lint: setup  ## check format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

setup: $(READY) $(CATALOGUES:.po=.mo)  ## install requirements-dev.txt in .venv, and compile the translations

setup-ops: setup  ## install requirements-ops.txt only: enough to deploy and for the operator program

format: setup  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

access: setup  ## create the policies of who deploys, operates and observes STAGE=... (docs/deploy.md)
	@$(BIN)/python -m infra.deploy access '$(STAGE)' $(if $(YES),--yes)

deploy: setup  ## deploy STAGE=... to AWS with the settings of infra/stages/STAGE.yaml (YES=1 does not ask)
	@$(BIN)/python -m infra.deploy deploy '$(STAGE)' $(if $(YES),--yes)

rollback: setup  ## return the functions of STAGE=... to the version before the last deployment
	@$(BIN)/python -m infra.deploy rollback '$(STAGE)' $(if $(YES),--yes)

rotate: setup  ## replace the secret of STAGE=...; `make deploy` puts it in place (LEAKED=1 after a leak; docs/deploy.md)
	@$(BIN)/python -m infra.deploy rotate '$(STAGE)' $(if $(YES),--yes) $(if $(LEAKED),--leaked)

destroy: setup  ## delete STAGE=...; its table stays (docs/deploy.md)
	@$(BIN)/python -m infra.deploy destroy '$(STAGE)' $(if $(YES),--yes) $(if $(ERASE),--erase '$(ERASE)')

chalice: setup  ## write a plain Chalice project with the settings of your shell to build/chalice (docs/deploy.md)
	@$(BIN)/python -m infra.deploy.plain

rehearse: setup  ## deploy, roll back and destroy a stage on an emulator, and revoke each permission (20 minutes)
	@$(BIN)/pytest tests/rehearsal

drill: setup  ## practise recovery on an emulator, with times: roll back, send letters again, restore items (a minute)
	@$(BIN)/python -m tests.rehearsal.drill

drill-alarms: setup  ## make each alarm ring on a local stack, and run the commands of the runbook (15 minutes)
	@GUICHET_LONG=1 $(BIN)/pytest tests/stack/test_alarms.py tests/stack/test_runbook.py

architecture: setup  ## draw the packages and their imports into docs/architecture.svg
	@$(BIN)/python -m infra.tools.architecture

desk-pictures: setup  ## take the pictures of docs/desk.md from the pages of a local stack
	@$(BIN)/python -m infra.tools.browser >/dev/null
	@$(BIN)/python -m infra.local.desk_pictures

lighthouse: setup  ## run Lighthouse on the first pages; each score must be 0.98 (needs node)
	@$(BIN)/python -m infra.local.lighthouse

fuzz: setup  ## fuzz the contract with 20,000 calls and the parsers with 5,000 examples each (30 minutes)
	@$(BIN)/python -m tests.security.fuzz 20000
	@EXAMPLES=5000 $(BIN)/pytest --hypothesis-profile=default tests/security/test_parsers.py
	@$(BIN)/python -m tests.security.fuzz 1000 --stack

simulate: setup  ## simulate releases that are too large for this machine and write docs/capacity.md (two minutes)
	@$(BIN)/python -m tests.load.simulation.aws

bench-storm: setup  ## play storms of holds on this machine and simulate them (three minutes); RECORD=1 writes docs/capacity.md
	@$(BIN)/python -m tests.load.simulation.storm.compare $(if $(RECORD),--record)

bench-peer: setup  ## compare a hold with pretix's cart-add, installed in build/peer; RECORD=1 writes docs/peer.md
	@$(BIN)/python -m tests.load.peer $(if $(RECORD),--record)

bench: setup  ## measure what each step costs, name what became slower (CHECK=1: fail then); RECORD="words" adds it to docs/benchmarks.md
	@$(BIN)/python -m tests.load.bench $(if $(RECORD),--record "$(RECORD)") $(if $(CHECK),--check)

draw-demo: setup  ## play 10,000 people over three years by draw and by first come, rules for turns too, and write docs/fairness.md (two minutes)
	@$(BIN)/python -m tests.load.fairness

bench-draw: setup  ## measure a draw of ENTRIES=100000 on the emulator, with 60 and with 1,000 seats (five minutes)
	@$(BIN)/python -m tests.load.draw --entries $(or $(ENTRIES),100000)

pins: COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --custom-compile-command "make pins"
pins: setup  ## renew requirements*.txt, with hashes, from requirements*.in
	@for list in dev scan; do $(COMPILE) requirements-$$list.in --output-file requirements-$$list.txt || exit 1; done
	@for list in requirements requirements-ops requirements-draw requirements-desk; do \
	  $(COMPILE) --constraint requirements-dev.txt $$list.in --output-file $$list.txt || exit 1; done  # what is tested is deployed

audit: setup  ## look up known vulnerabilities of the pinned packages on PyPI
	@report=$$($(BIN)/pip-audit --strict --disable-pip --progress-spinner off -r requirements-dev.txt 2>&1); code=$$?; \
	case "$$report" in \
	  *"could not be audited"*|*ServiceError*|*ConnectionError*) \
	    echo "guichet: not audited: PyPI cannot be reached from here" >&2; exit 2;; \
	  *) printf '%s\n' "$$report"; exit $$code;; \
	esac

scan: setup build/scan/ready  ## check the templates as they are deployed with cfn-lint and checkov (a minute)
	@$(BIN)/python -m infra.deploy.scan

build/scan/ready: requirements-scan.txt | $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/scan
	@$(BIN)/uv pip install --quiet --require-hashes --python build/scan/bin/python -r requirements-scan.txt
	@touch $@

sbom: setup  ## write the bill of materials of the Lambda zip and its layers, with licences, to build/sbom.json (CycloneDX)
	@mkdir -p build
	@{ sed '/^ *#/d' requirements.txt requirements-draw.txt requirements-desk.txt; sed -n '/^chalice==/,/# via/p' requirements-dev.txt; } | PYTHONWARNINGS=ignore \
	  $(BIN)/cyclonedx-py requirements - --pyproject pyproject.toml --output-reproducible --validate -o build/sbom.json
	@$(BIN)/python -m infra.tools.licences build/sbom.json

clean:  ## remove everything that make creates
	@rm -rf .venv build .chalice/deployments .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find chalicelib infra -name '*.mo' -delete

.venv/ready: LIST := requirements-dev.txt
.venv/ready: requirements-dev.txt
.venv/ready-ops: LIST := requirements-ops.txt
.venv/ready-ops: requirements-ops.txt
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "guichet: Python 3.11 or later is needed: install it, or name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "guichet: Python's venv module is needed: install python3-venv" >&2; exit 1; }
	@echo "setting up .venv (a few seconds to a minute, once)"
	@$(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/# via/p' requirements-dev.txt > .venv/uv.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r $(LIST)
	@touch $@

%.mo: %.po $(READY)
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@
