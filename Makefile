# Two commands matter: `make book` and `make test`. `make help` lists the others.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help book pdf test test-browser lint goldens claims road bench gpu bench-gpu clean

# smoke (seconds, for tests), cpu (minutes) or gpu (full size)
PROFILE ?= cpu
# The first Python on this machine that is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$python; break; fi; done)

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 15

book: .venv/installed ## execute the notebooks, build the pages (PROFILE=smoke|cpu|gpu)
	@# A notebook that fails is status 1: the pages are built all the same, and say so.
	@status=0; \
	.venv/bin/python book/tools/execute.py --profile $(PROFILE) || status=$$?; \
	[ $$status -le 1 ] || exit $$status; \
	.venv/bin/python book/tools/build.py --profile $(PROFILE) || status=$$?; \
	exit $$status

pdf: .venv/installed ## print the executed book into one PDF, through Chromium (PROFILE=)
	@.venv/bin/python book/tools/pdf.py --profile $(PROFILE)

# One thread for each test, unless you say otherwise: the tensors are tiny, and where
# cores are shared, torch's waiting threads made the tests four times slower.
# A notebook or a page that fails to be made fails again in a test, which says why.
test: lint ## lint, units, parity, goldens, notebooks and pages at profile smoke, in Chromium too
	@$(MAKE) --no-print-directory book PROFILE=smoke || true
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} TINYREC_PAGES=build/pages/smoke/_build/html \
		.venv/bin/python -m pytest --nbval-lax

# make book, with the same PROFILE, builds the pages that are looked at.
test-browser: .venv/installed ## the built pages in Chromium: links, labels, widths, keys
	@TINYREC_PAGES=build/pages/$(PROFILE)/_build/html \
		.venv/bin/python -m pytest tests/browser

lint: .venv/installed ## the form of the code: ruff check, ruff format
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .

goldens: .venv/installed ## renew the outputs in the sources that tests compare with
	@.venv/bin/python book/tools/goldens.py

# For a course, and for a new version.
.PHONY: test-versions student instructor slides tag site links

# A virtual environment of its own, with the constraints of tests/versions/SET.txt.
SET ?= oldest
OTHER = build/versions/$(SET)

test-versions: ## the chapters at profile smoke with other versions (SET=oldest|newest|colab)
	@rm -rf $(OTHER)
	@'$(PYTHON)' -m venv $(OTHER)/venv
	@$(OTHER)/venv/bin/python -m pip install --quiet --constraint tests/versions/$(SET).txt \
		--editable '.[arc]' papermill ipykernel
	@$(OTHER)/venv/bin/python -m pip list
	@$(OTHER)/venv/bin/python book/tools/execute.py --profile smoke --out $(OTHER)/executed

student: .venv/installed ## copies for a course, without solutions and outputs, in build/student
	@.venv/bin/python book/tools/versions.py student $(CHAPTERS)

instructor: .venv/installed ## copies with the solutions filled in, and run (CHAPTERS= PROFILE=)
	@.venv/bin/python book/tools/versions.py instructor $(CHAPTERS) --profile $(PROFILE)

slides: .venv/installed ## one file for each session of book/teaching.md, from what make book ran
	@.venv/bin/python book/tools/slides.py --profile $(PROFILE)

tag: .venv/installed ## fail unless TAG is the tag of the version in pyproject.toml
	@.venv/bin/python book/tools/pages.py --tag '$(TAG)'

SITE = build/site

site: book pdf slides ## what a tag publishes, in build/site: pages, PDF, slides, notebooks
	@rm -rf $(SITE)
	@cp -r build/pages/$(PROFILE)/_build/html $(SITE)
	@cp -r build/pdf/$(PROFILE)/book.pdf build/slides $(SITE)
	@.venv/bin/python -m zipfile --create $(SITE)/notebooks.zip notebooks/*.ipynb

links: .venv/installed ## ask every address that the pages link to
	@.venv/bin/jupyter-book build . --builder linkcheck --path-output build/links

claims: .venv/installed ## measure how widely claims spread, for hours (CHAPTERS= SEEDS= MINUTES=)
	@.venv/bin/python book/tools/claims.py $(CHAPTERS) $(if $(SEEDS),--seeds $(SEEDS)) \
		$(if $(MINUTES),--minutes $(MINUTES))

road: .venv/installed ## compare models at equal compute, for hours, resumable (NAMES= MINUTES=)
	@.venv/bin/python book/tools/road.py $(NAMES) $(if $(MINUTES),--minutes $(MINUTES))

# What tinyrec is measured against; nothing else needs it.
PEER = tiny-recursive-model==0.0.15 einops==0.8.2 ema-pytorch==0.8.3

bench: .venv/installed ## time it all on this machine, renew the page (PARTS="throughput memory ...")
	@.venv/bin/python -m pip install --quiet --no-deps $(PEER)
	@.venv/bin/python tests/benchmarks/bench.py $(PARTS)

# Each notebook whose copy is still true is skipped, so that after a stop the same call goes on.
gpu: PROFILE = gpu
gpu: book ## all that a CUDA GPU shows: chapters at full size, what is certain, times (PROFILE=)
	@.venv/bin/python -m pytest --nbval-lax notebooks
	@$(if $(filter gpu,$(PROFILE)),$(MAKE) --no-print-directory bench-gpu)

bench-gpu: .venv/installed ## the same for full-size training on a CUDA GPU
	@.venv/bin/python tests/benchmarks/gpu.py --out book/results/bench-gpu.json
	@.venv/bin/python tests/benchmarks/page.py

clean: ## remove what was built; .venv stays
	rm -rf build

.venv/installed: requirements.txt pyproject.toml
	@if ! '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "tinyrec needs Python 3.11 or newer:" \
			"install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi
	@echo "Making .venv with $$('$(PYTHON)' --version): some minutes, once"
	'$(PYTHON)' -m venv --clear .venv
	.venv/bin/python -m pip install --requirement requirements.txt
	.venv/bin/python -m pip install --no-deps --editable .
	@touch $@
