import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AutoTokenizer } from '../src/tokenizer/index.ts'
import type { Message } from '../src/chat/index.ts'

/*
 * Texts of docs.jsonl as tokens: fettle beside Hugging Face's Rust library (npm `tokenizers`), by turns, each in a process pinned to
 * one core and then on two. The first half of the texts warms both up; the second half was never seen; then all come again.
 */

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: 'peers' },
    sittings: { type: 'string', default: '3' },
    side: { type: 'string' },
  },
})
const model = join(values.peers, 'smollm2')
/** Texts that the Rust library gets at once. */
const batch = 256

type Encode = (texts: readonly string[]) => Promise<number>

async function fettle(): Promise<Encode> {
  const tokenizer = await AutoTokenizer.fromPretrained(model)
  return async (texts) => {
    const items = texts.map((text) => ({ text, spans: [] }))
    const encodings = await tokenizer.encodeTextsWithSpans(items, { addSpecialTokens: false })
    return encodings.reduce((count, { inputIds }) => count + inputIds.length, 0)
  }
}

async function rust(): Promise<Encode> {
  const { Tokenizer } = await import('tokenizers')
  const tokenizer = Tokenizer.fromString(readFileSync(join(model, 'tokenizer.json'), 'utf8'))
  return async (texts) => {
    let count = 0
    for (let i = 0; i < texts.length; i += batch) {
      const encodings = await tokenizer.encodeBatch(texts.slice(i, i + batch), { addSpecialTokens: false })
      for (const encoding of encodings) count += encoding.getIds().length
    }
    return count
  }
}

/** Milliseconds, by the clock, of each part of one sitting. */
interface Sitting {
  tokens: number
  first: number
  unseen: number
  seen: number
}

async function measure(encode: Encode): Promise<Sitting> {
  const lines = readFileSync(join(values.peers, 'docs.jsonl'), 'utf8').trim().split('\n')
  const texts = lines.map((line) => {
    const { messages } = JSON.parse(line) as { messages: Message[] }
    return messages.map(({ role, content }) => `${role}: ${String(content)}`).join('\n')
  })
  const half = texts.length >> 1
  let tokens = 0
  const time = async (part: readonly string[]): Promise<number> => {
    const start = performance.now()
    tokens = await encode(part)
    return performance.now() - start
  }
  const first = await time(texts.slice(0, half))
  const unseen = await time(texts.slice(half))
  const seen = Math.min(await time(texts), await time(texts), await time(texts))
  return { tokens, first, unseen, seen }
}

function run(side: string, cores: string): Sitting {
  const { status, stdout, stderr } = spawnSync(
    'taskset',
    ['-c', cores, process.execPath, process.argv[1], '--peers', values.peers, '--side', side],
    { encoding: 'utf8', env: { ...process.env, RAYON_NUM_THREADS: String(cores.split(',').length) } },
  )
  if (status !== 0) throw new Error(`${side}: ${stderr}`)
  return JSON.parse(stdout) as Sitting
}

if (values.side !== undefined) {
  const result = await measure(await (values.side === 'fettle' ? fettle() : rust()))
  console.log(JSON.stringify(result))
} else
  for (const cores of ['0', '0,1']) {
    const ratios = { first: [] as number[], unseen: [] as number[], seen: [] as number[] }
    for (let i = 0; i < Number(values.sittings); i++) {
      const [own, theirs] = [run('fettle', cores), run('rust', cores)]
      if (own.tokens !== theirs.tokens)
        throw new Error(`not the same work: ${own.tokens} and ${theirs.tokens} tokens`)
      for (const part of ['first', 'unseen', 'seen'] as const)
        ratios[part].push(Number((theirs[part] / own[part]).toFixed(2)))
    }
    console.log(JSON.stringify({ cores: cores.split(',').length, timesRust: ratios }))
  }
