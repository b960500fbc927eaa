#!/bin/sh
# Runs the op tests with AVX-512's kernels on a processor without AVX-512 (it needs AVX2), with SIMDe's instructions (Debian's
# libsimde-dev; test/engine/emulated_avx512.h). Builds in a folder of its own, with clang (Debian's clang-19), since g++ takes no
# vectors in inline assembler that the processor has no registers for.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r "$root/native" "$root/scripts" "$root/src" "$root/test" "$root/package.json" "$root/vitest.config.ts" "$root/tsconfig.json" "$folder"
ln -s "$root/node_modules" "$root/assets" "$folder"
cd "$folder"
# Optimised a little only: whole, SIMDe's loops take long to compile.
CXX=${CXX:-clang++-19} CXXFLAGS="-DFETTLE_AVX512_EMULATED=\"$folder/test/engine/emulated_avx512.h\" -O1" \
  node scripts/build-native.mjs --all --only avx512bf16,avx512
for isa in avx512bf16 avx512; do FETTLE_ISA=$isa npx vitest run test/engine/native.ops.test.ts "$@"; done
