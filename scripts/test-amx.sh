#!/bin/sh
# Runs the op tests with AMX's kernels on a processor without AMX (it needs AVX512_BF16), with tiles that are as strict as the
# processor's (native/kernels/emulated_amx.h). Builds in a folder of its own.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r "$root/native" "$root/scripts" "$root/src" "$root/test" "$root/package.json" "$root/vitest.config.ts" "$root/tsconfig.json" "$folder"
ln -s "$root/node_modules" "$folder/node_modules"
cd "$folder"
CXXFLAGS=-DFETTLE_AMX_EMULATED=1 node scripts/build-native.mjs
FETTLE_ISA=amx npx vitest run test/engine "$@"
