# Two commands do all on a fresh machine with python3.11 (and its venv), git and make:
#   make run    builds .venv from the lock and runs `dvc repro` on params.yaml
#   make test   builds the same .venv and runs the tests
PYTHON ?= python3.11
BIN := $(CURDIR)/.venv/bin
RUN := PATH="$(BIN):$$PATH"

.PHONY: run test soak check format lock benchmark clean

run: .venv/built
	@$(RUN) dvc repro
	@$(RUN) ovpipe report

test: .venv/built
	@$(RUN) pytest

soak: .venv/built
	@$(RUN) pytest -m soak

check: .venv/built
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

format: .venv/built
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

# Everything is pinned and nothing else is installed (--no-deps): torchvision, which optimum-intel
# asks for, is built for CUDA on the public registry and breaks beside a CPU torch.
.venv/built: requirements.lock pyproject.toml
	@$(PYTHON) -m venv .venv || { echo "need $(PYTHON) with its venv module (Debian: python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Regenerates the lock: the newest versions that pyproject.toml admits. torch is written without
# its build (+cpu), so that every machine takes the build that its own registry offers.
lock: .venv/built
	@$(RUN) pip-compile --quiet --upgrade --strip-extras --extra build --extra dev \
		--unsafe-package torchvision --unsafe-package openvino-telemetry \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file requirements.lock pyproject.toml
	@sed -i -E 's/^(torch==[^+]*)\+.*/\1/' requirements.lock

clean:
	rm -rf .venv .work
