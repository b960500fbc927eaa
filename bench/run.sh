#!/usr/bin/env bash
# Builds bench/'s programs and runs one: bench/run.sh interop --peers DIR
set -euo pipefail
cd "$(dirname "$0")/.."
npx tsdown -c bench/tsdown.config.mjs --logLevel warn
exec node "build/bench/$1.mjs" "${@:2}"
