import { readdirSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LoadOptions } from '../src/model/index.ts'
import { AutoModelForCausalLM } from '../src/model/index.ts'
import { AutoTokenizer } from '../src/tokenizer/index.ts'
import { table } from './table.ts'

/*
 * What a base in few bits costs in loss on real text, kind by kind: the mean over the tokens of some conversations, before any training.
 * GGUF files of the model: those of a folder, as quantization-loss/make_gguf.py makes them.
 */

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    gguf: { type: 'string' },
    documents: { type: 'string', default: '60' },
    threads: { type: 'string' },
  },
})
const { model: folder, data } = values
if (folder === undefined || data === undefined)
  throw new Error('--model: not given; expected the folder of a model and, with --data, a .jsonl file')

const ways: [name: string, path: string, options: LoadOptions][] = [
  ['bfloat16', folder, { dtype: 'bfloat16' }],
  ['int8', folder, { dtype: 'bfloat16', quantization: 'int8' }],
  ['nf4', folder, { dtype: 'bfloat16', quantization: 'nf4' }],
  ['nf4, double', folder, { dtype: 'bfloat16', quantization: 'nf4', doubleQuantization: true }],
  ...(values.gguf === undefined
    ? []
    : readdirSync(values.gguf)
        .filter((name) => name.endsWith('.gguf'))
        .toSorted()
  ).map((name): [string, string, LoadOptions] => [
    `${basename(name, '.gguf')}.gguf`,
    join(values.gguf ?? '', name),
    { dtype: 'bfloat16' },
  ]),
]
const tokenizer = await AutoTokenizer.fromPretrained(folder)
const lines = (await readFile(data, 'utf8')).trim().split('\n').slice(-Number(values.documents))
const documents = await Promise.all(
  lines.map(async (line) => {
    const { messages } = JSON.parse(line) as { messages: { role: string; content: string }[] }
    const { inputIds } = await tokenizer.encodeChat(messages)
    return inputIds.slice(0, 512)
  }),
)

const rows: string[][] = []
let whole: number | undefined
for (const [name, path, options] of ways) {
  const threads = values.threads === undefined ? {} : { threads: Number(values.threads) }
  await using model = await AutoModelForCausalLM.fromPretrained(path, { ...options, ...threads })
  let [sum, count] = [0, 0]
  for (const ids of documents) {
    const { loss = 0 } = await model.forward({ inputIds: [ids], labels: [ids] })
    sum += loss * (ids.length - 1)
    count += ids.length - 1
  }
  const loss = sum / count
  whole ??= loss
  const size = path.endsWith('.gguf') ? `${(statSync(path).size / 2 ** 20).toFixed(0)} MiB` : ''
  rows.push([
    name,
    loss.toFixed(4),
    (loss - whole).toFixed(4),
    `${((Math.exp(loss - whole) - 1) * 100).toFixed(1)}%`,
    size,
  ])
}
console.log(
  `${documents.length} conversations, ${documents.reduce((sum, ids) => sum + ids.length - 1, 0)} tokens`,
)
console.log(table(['', 'loss', 'more than bfloat16', 'perplexity', 'file'], rows))
