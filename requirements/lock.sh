#!/usr/bin/env bash
# Pins versions with hashes and without addresses; needs uv (pip install uv).
set -euo pipefail
bin=$1
"$bin/python" -m pip --disable-pip-version-check install --quiet uv
compile() {
  "$bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --no-header "$@"
}
pins() {
  grep --extended-regexp "^($(IFS='|'; echo "$*"))==" requirements/dev.txt | tr -d '\\'
}
compile requirements/build.in -o requirements/build.txt
compile pyproject.toml -o requirements/base.txt
compile pyproject.toml --extra local -o requirements/demo.txt
compile pyproject.toml --extra local --extra train --extra encoder --group dev -o requirements/dev.txt
# Quix Streams stops at an older pydantic; overridden, so that all systems of the benchmark parse with the same one.
compile benchmarks/peers/requirements.in -o benchmarks/peers/requirements.txt \
  --constraint <(pins aiokafka hiredis numpy prometheus-client redis uvloop) --override <(pins pydantic pydantic-core)
