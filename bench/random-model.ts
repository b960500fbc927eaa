import { parseArgs } from 'node:util'
import { shapes } from './random-model/shapes.ts'
import { shapeName, writeRandomModel } from './random-model/write.ts'

/*
 * Writes a model of a published model's shape with random weights in bfloat16: what memory and speed need, without a download.
 * `--layers N` cuts it to its first layers.
 */

const { values } = parseArgs({
  options: {
    like: { type: 'string', default: 'tinyllama-1.1b' },
    out: { type: 'string' },
    layers: { type: 'string' },
  },
})
const name = shapeName(values.like)
const out = values.out ?? `build/random/${name}`
const layers = values.layers === undefined ? undefined : Number(values.layers)
const parameters = await writeRandomModel(name, out, layers)
const shape = shapes[name]
console.log(
  [
    `${out}: ${(parameters / 1e6).toFixed(0)} million random parameters in the shape of ${name}`,
    ...('note' in shape ? [shape.note] : []),
    `fettle bench --model ${out} --data docs.jsonl --only packed`,
  ].join('\n'),
)
