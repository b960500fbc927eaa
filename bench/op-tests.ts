// The op tests of the native engine as one program, for systems that vitest cannot run on: see bench/README.md.
import { parseArgs } from 'node:util'
import { nativeIsas } from '../src/engine/native/index.ts'
import '../test/engine/native.ops.test.ts'
import { runTests } from './op-tests/vitest-stand-in.ts'

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, every: { type: 'string', default: '1' } },
})
console.log(
  `${process.platform} ${process.arch}, Node ${process.versions.node}, instruction sets: ${nativeIsas().join(', ')}`,
)
const { passed, failed } = await runTests(new RegExp(values.only), Number(values.every))
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
