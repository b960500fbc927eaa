import { join } from 'node:path'
import { expect, test } from 'vitest'
import { showExample } from '../../src/cli/inspect/examples-view.ts'
import { paintOf } from '../../src/cli/terminal/paint.ts'
import type { InspectedExample } from '../../src/data/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'

const folder = join(import.meta.dirname, '..', 'fixtures', 'tokenizers', 'bytebpe-qwen')
const terminal = {
  interactive: false,
  width: 80,
  lineWidth: undefined,
  paint: paintOf(false),
  write: () => undefined,
  writeAnswer: () => undefined,
}

/** An example of which tokens [start, end) are learned. */
async function example(
  text: string,
  start: number,
  end: number,
  changes: Partial<InspectedExample> = {},
): Promise<InspectedExample> {
  const tokenizer = await AutoTokenizer.fromPretrained(folder)
  const inputIds = Int32Array.from((await tokenizer.encode(text)).inputIds)
  const last = Math.min(end, inputIds.length)
  const mask = Uint8Array.from(inputIds, (_, i) => (i >= start && i < last ? 1 : 0))
  const spans = [{ message: 1, start, end: last, status: 'proved' as const }]
  return { inputIds, mask, spans, text, straddles: [], origin: { file: 'x.jsonl', line: 7 }, ...changes }
}

const cases: { name: string; make: () => Promise<InspectedExample>; lines: string[] }[] = [
  {
    name: 'a token on a border',
    make: () => example('x!<|im_end|>', 1, 3, { straddles: [{ message: 1, token: 1, border: 'start' }] }),
    lines: ['  border message 1: token 1 "!" lies across its start and is learned as a whole'],
  },
  {
    name: 'a turn without a stop',
    make: () => example('x!', 1, 2, { spans: [{ message: 1, start: 1, end: 2, status: 'no-stop' }] }),
    lines: ['x⟦!⟧', '  message 1 · no-stop: nothing teaches the model to stop · tokens 1–1 · ends in "!"'],
  },
  {
    name: 'nothing learned',
    make: () => example('x!', 0, 0, { spans: [] }),
    lines: ['x.jsonl:7 · 2 tokens, 0 learned', 'x!', '  nothing is learned'],
  },
  {
    name: 'characters of several tokens',
    make: () => example('é😀<|im_end|>', 0, 99),
    lines: ['⟦é😀<|im_end|>⟧'],
  },
]

test.each(cases)('$name', async ({ make, lines }) => {
  const shown = showExample(await make(), await AutoTokenizer.fromPretrained(folder), terminal).split('\n')
  for (const line of lines) expect(shown).toContain(line)
})
