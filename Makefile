# The only door for a developer: `make` alone lists what there is.
.DEFAULT_GOAL := help
SERVICE := -n auto tests/unit --ignore tests/unit/infra
.PHONY: $(shell sed -n "s/^\([a-z-]*\):.*\#\# .*/\1/p" Makefile)

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/ready
# A release, ten seconds before and on time; midnight before it; each day of a weekend; a slot's own start; the new year;
# both changes of the clock, before and after; a leap day.
CLOCKS := 2026-11-30T08:59:50+01:00 2026-11-30T09:00:00+01:00 2026-11-29T23:59:59.999+01:00 2026-11-30T00:00:00+01:00 \
  2026-12-04T17:30:00+01:00 2026-12-05T12:00:00+01:00 2026-12-06T18:00:00+01:00 2026-12-02T10:00:00+01:00 \
  2026-12-31T23:59:59.999+01:00 2027-01-01T00:00:00+01:00 2027-03-28T01:59:59.999+01:00 2027-03-28T03:00:00+02:00 \
  2027-10-31T02:59:59.999+02:00 2027-10-31T02:00:00+01:00 2028-02-29T12:00:00+01:00
NO_FAKETIME := --ignore tests/security/test_fuzz.py  # faketime never ends a wait for a thread that has a limit
CATALOGUES := $(wildcard chalicelib/locale/*/LC_MESSAGES/*.po)

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup  ## start the whole service on this machine; Ctrl-C ends it
	@$(BIN)/python -m infra.local

rush: setup  ## a Monday: 2,000 visitors on 200 seats, and a verdict (URL= STAGE= VISITORS= SEATS= BOTS= KINDS= ...)
	@URL='$(URL)' STAGE='$(STAGE)' VISITORS='$(VISITORS)' SEATS='$(SEATS)' RATE='$(RATE)' WORKERS='$(WORKERS)' AT_ONCE='$(AT_ONCE)' \
	  BOTS='$(BOTS)' KINDS='$(KINDS)' SEAT_AFTER='$(SEAT_AFTER)' INBOX='$(INBOX)' $(BIN)/python -m tests.load.rush

test: lint  ## everything: unit tests with coverage, proofs, then the deployed stack and the browser
	@$(BIN)/pytest $(SERVICE) --cov
	@$(BIN)/pytest -n auto tests/unit/infra tests/security tests/proof tests/load
	@$(MAKE) --no-print-directory --keep-going -j2 test-browser test-stack

test-stack: setup  ## the deployed stack, a part of `make test`
	@$(BIN)/pytest tests/stack

test-browser: setup  ## the pages in Chromium, a part of `make test`
	@$(BIN)/python -m infra.tools.browser
	@$(BIN)/pytest tests/browser

test-long: lint  ## what takes long: the proofs at full size, faults, every broken copy against the checker of histories
	@$(BIN)/python -m tests.load.mutants 2>/dev/null
	@GUICHET_LONG=1 $(BIN)/pytest -n auto tests/proof
	@GUICHET_LONG=1 $(BIN)/pytest tests/stack/test_clocks.py tests/stack/test_faults.py tests/stack/test_office.py

check: lint  ## format, lint, types and the service's unit tests, in under a minute
	@$(BIN)/pytest $(SERVICE) -m "not slow"

check-clocks: setup  ## the unit tests on a release, at midnight, on a weekend, ... (FAKETIME=faketime: by the machine's clock too)
	@for moment in $(CLOCKS); do echo "pytest --shuffle --clock $$moment --seed $${SEED:-$$moment}"; \
	  $(if $(FAKETIME),$(FAKETIME) "$$moment") $(BIN)/pytest $(SERVICE) tests/security tests/unit/infra/ops -m "not slow" \
	    $(if $(FAKETIME),$(NO_FAKETIME)) --shuffle --clock "$$moment" --seed "$${SEED:-$$moment}" || exit 1; done

lint: setup  ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

setup: $(STAMP) $(CATALOGUES:.po=.mo)  ## the tools of requirements-dev.txt in .venv, and the translations

format: setup  ## put the code in its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

deploy: setup  ## put STAGE=... in an AWS account, as infra/stages/STAGE.yaml says (YES=1 does not ask)
	@$(BIN)/python -m infra.deploy deploy '$(STAGE)' $(if $(YES),--yes)

rollback: setup  ## turn the functions of STAGE=... back to what they were before the last deployment
	@$(BIN)/python -m infra.deploy rollback '$(STAGE)' $(if $(YES),--yes)

destroy: setup  ## take STAGE=... away; its table stays (docs/deploy.md)
	@$(BIN)/python -m infra.deploy destroy '$(STAGE)' $(if $(YES),--yes) $(if $(ERASE),--erase '$(ERASE)')

rehearse: setup  ## deploy, roll back and destroy a stage on an engine, and take each permission away (a quarter of an hour)
	@$(BIN)/pytest tests/rehearsal

lighthouse: setup  ## Lighthouse on the first pages: at least 0.98 in all four columns (needs node)
	@$(BIN)/python -m infra.tools.lighthouse

fuzz: setup  ## 20,000 calls over the contract, 5,000 examples for each reader, then over HTTP: half an hour
	@$(BIN)/python -m tests.security.fuzz 20000
	@EXAMPLES=5000 $(BIN)/pytest --hypothesis-profile=default tests/security/test_parsers.py
	@$(BIN)/python -m tests.security.fuzz 1000 --stack

simulate: setup  ## nine Mondays beyond this machine, into docs/capacity.md (two minutes)
	@$(BIN)/python -m tests.load.simulation

bench-peer: setup  ## our hold beside pretix's cart-add (says what it installs, in build/peer); RECORD=1: into docs/peer.md
	@$(BIN)/python -m tests.load.peer $(if $(RECORD),--record)

bench: setup  ## what each step costs, beside floor and aim; RECORD="words" keeps it in docs/benchmarks.md
	@$(BIN)/python -m tests.load.bench $(if $(RECORD),--record "$(RECORD)")

pins: setup  ## renew requirements*.txt, with hashes, from requirements*.in
	@for list in requirements requirements-dev; do $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes \
	  --python-version 3.11 --custom-compile-command "make pins" $$list.in --output-file $$list.txt || exit 1; done

audit: setup  ## look up the known weaknesses of every pinned package (asks PyPI)
	@said=$$($(BIN)/pip-audit --strict --disable-pip --progress-spinner off -r requirements-dev.txt 2>&1); ended=$$?; \
	case "$$said" in \
	  *"could not be audited"*|*ServiceError*|*ConnectionError*) \
	    echo "guichet: not audited: no list of weaknesses can be reached from here" >&2; exit 2;; \
	  *) printf '%s\n' "$$said"; exit $$ended;; \
	esac

sbom: setup  ## write what travels in the Lambda zip as a bill of materials: build/sbom.json (CycloneDX)
	@mkdir -p build
	@{ sed '/^ *#/d' requirements.txt; sed -n '/^chalice==/,/# via/p' requirements-dev.txt; } | PYTHONWARNINGS=ignore \
	  $(BIN)/cyclonedx-py requirements - --pyproject pyproject.toml --output-reproducible --validate -o build/sbom.json

clean:  ## remove what can be made again
	@rm -rf .venv build .chalice/deployments .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find chalicelib -name '*.mo' -delete

$(STAMP): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "guichet: Python 3.11 or later is needed: install it, or name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "guichet: Python's venv module is needed: install python3-venv" >&2; exit 1; }
	@echo "setting up .venv (a few seconds to a minute, once)"
	@$(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/# via/p' requirements-dev.txt > .venv/uv.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements-dev.txt
	@touch $@

%.mo: %.po $(STAMP)
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@
