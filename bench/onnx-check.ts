import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { checkInBrowser } from './onnx-check/browser.ts'
import { checkChat } from './onnx-check/chat.ts'
import { checkFamilies } from './onnx-check/families.ts'
import { loadRuntimes } from './onnx-check/runtimes.ts'
import { storages, type StorageName } from '../src/export/onnx/storage.ts'
import { table } from './table.ts'

/*
 * Exports of ONNX in the runtimes that they are for: onnxruntime, Transformers.js in Node and in Chromium. See bench/README.md.
 */

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    model: { type: 'string' },
    data: { type: 'string' },
    runtimes: { type: 'string', default: 'build/onnx-runtimes' },
    out: { type: 'string', default: 'runs/onnx-check' },
    steps: { type: 'string', default: '60' },
    reuse: { type: 'boolean', default: false },
    only: { type: 'string', default: 'families,chat,browser' },
    types: { type: 'string', default: Object.keys(storages).join(',') },
  },
})
const parts = values.only.split(',')
const types = values.types.split(',') as StorageName[]
const runtimes = await loadRuntimes(values.runtimes)
console.log(`onnxruntime-node ${runtimes.version}\n`)

/** Largest difference of logits of up to 8 that is allowed, by type. */
const bounds: { readonly [T in StorageName]: number } = { f32: 1e-3, f16: 0.3, q8: 0.5, q4: 2.5, q4f16: 2.5 }
/** Models whose tokens go to other experts when a number is rounded: in few bits their logits say nothing. */
const hasExperts = (model: string) => /moe|mixtral|gpt-oss/.test(model)
let isWrong = false

if (parts.includes('families')) {
  const results = await checkFamilies(runtimes.ort, types)
  console.log(
    table(
      ['family', 'type', 'right', 'left', 'adapter', 'greedy', ''],
      results.map(({ model, type, right, left, adapter, isGreedyEqual, refused }) => {
        const numbers = [right, left, adapter].map((value) =>
          Number.isNaN(value) ? '' : value.toExponential(1),
        )
        const bound = type !== 'f32' && hasExperts(model) ? Number.POSITIVE_INFINITY : bounds[type]
        const isFar = [right, left, adapter].some((value) => value > bound)
        isWrong ||= isFar || (type === 'f32' && !refused && !isGreedyEqual)
        return [
          model,
          type,
          ...numbers,
          isGreedyEqual ? 'equal' : 'other',
          refused?.slice(0, 160) ?? (isFar ? '≠' : ''),
        ]
      }),
    ),
  )
}

const paths = {
  model: values.model ?? join(values.peers, 'smollm2'),
  data: values.data ?? join(values.peers, 'docs.jsonl'),
  out: values.out,
  steps: Number(values.steps),
  isReused: values.reuse,
}
if (parts.includes('chat')) {
  const results = await checkChat(runtimes, paths, types)
  for (const { type, bytes, equal, answers } of results) {
    console.log(`\n${type}: ${(bytes / 1e6).toFixed(0)} MB, ${equal} of ${answers.length} answers equal`)
    for (const answer of answers)
      if (type === 'f32' || answer.fettle !== answer.transformers) console.log(JSON.stringify(answer))
    isWrong ||= type === 'f32' && equal < answers.length
  }
}
if (parts.includes('browser')) isWrong = !(await checkInBrowser(runtimes, paths, types)) || isWrong
process.exitCode = isWrong ? 1 : 0
