import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { jsonLines, runCli } from './run-cli.ts'
import { makeWorkplace } from './tiny-model.ts'

let cwd: string
beforeAll(async () => {
  cwd = await makeWorkplace()
})
afterAll(() => rm(cwd, { recursive: true }))

const run = (args: readonly string[], environment: Record<string, string> = {}) =>
  runCli(['inspect', ...args], { cwd, environment })

test('--json prints a line a conversation, as the tokenizer encodes it', async () => {
  const { code, stdout, stderr } = await run(['train.jsonl', '--model', 'model', '--json'])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const lines = jsonLines(stdout)
  expect(lines).toHaveLength(2)
  const tokenizer = await AutoTokenizer.fromPretrained(join(cwd, 'model'))
  const chat = await tokenizer.encodeChat([
    { role: 'user', content: 'What is the sea?' },
    { role: 'assistant', content: 'Much water.' },
  ])
  expect(lines[0]).toEqual({
    origin: { file: 'train.jsonl', line: 1 },
    text: '<|im_start|>user\nWhat is the sea?<|im_end|>\n<|im_start|>assistant\nMuch water.<|im_end|>\n',
    input_ids: [...chat.inputIds],
    mask: [...chat.mask],
    spans: chat.spans,
  })
  expect(chat.spans.map(({ status }) => status)).toEqual(['proved'])
})

test('learned tokens stand in brackets without colours, and in colours without brackets', async () => {
  const plain = (await run(['train.jsonl', '--model', 'model'])).stdout
  expect(plain).toContain('train.jsonl:1 ·')
  expect(plain).toContain('<|im_start|>assistant\n⟦Much water.<|im_end|>⟧\n')
  expect(plain).toContain(
    '⟦Hi!<|im_end|>⟧\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n⟦See you.<|im_end|>⟧',
  )
  expect(plain).toContain('message 1 · proved')
  expect(plain).toContain('ends in "<|im_end|>"')
  const coloured = (await run(['train.jsonl', '--model', 'model'], { FORCE_COLOR: '1' })).stdout
  expect(coloured).not.toContain('⟦')
  expect(coloured).toContain('\u001B[32mMuch water.\u001B[39m')
})

test('statistics follow the conversations, and are a last line of --json --stats', async () => {
  const { stdout } = await run(['train.jsonl', '--model', 'model', '--limit', '1'], { COLUMNS: '40' })
  expect(stdout).toContain('train.jsonl · format messages · 2 rows')
  expect(stdout).toMatch(/^ {2}messages · read · list · 2 distinct/m)
  expect(stdout).toMatch(/^lengths of 2 examples: /m)
  const args = ['train.jsonl', '--model', 'model', '--json', '--stats', '--val-size', '0.5']
  const [first, ...others] = jsonLines((await run(args)).stdout)
  const last = others.at(-1)
  expect(first).toMatchObject({ origin: { file: 'train.jsonl', line: 1 } })
  expect(last).toMatchObject({ type: 'stats', partial: false, rows: 2, examples: 2 })
  expect([first, ...others].filter((line) => line['held_out'] === true)).toHaveLength(
    Number(last?.['held_out']),
  )
})

test('--limit and the options of a run decide what is shown', async () => {
  const last = (await run(['train.jsonl', '--model', 'model', '--learn', 'last', '--limit', '0'])).stdout
  expect(last).toContain('<|im_start|>assistant\nHi!<|im_end|>')
  expect((await run(['train.jsonl', '--model', 'model', '--limit', '1'])).stdout).not.toContain(
    'train.jsonl:2',
  )
  expect(
    (await run(['train.jsonl', '--model', 'model', '--per-turn', '--json'])).stdout.trim().split('\n'),
  ).toHaveLength(3)
  expect((await run(['train.jsonl', '--model', 'model', '--status', 'no-stop'])).stdout).toContain(
    'No conversation',
  )
})

test('--serve: the same tokens in training and when served', async () => {
  const { stdout } = await run(['train.jsonl', '--model', 'model', '--serve'])
  expect(stdout.match(/· same: the \d+ tokens before it/g)).toHaveLength(3)
  expect(stdout).not.toContain('differs')
})

test('--serve: a header that is learned is served all the same', async () => {
  const { stdout } = await run([
    'train.jsonl',
    '--model',
    'model',
    '--serve',
    '--learn-header',
    '--limit',
    '0',
  ])
  expect(stdout).toContain('⟦<|im_start|>assistant\nMuch water.<|im_end|>⟧')
  expect(stdout).not.toContain('differs')
})

test('--serve: a history that the template refuses is said, and the rest is still shown', async () => {
  const folder = join(cwd, 'refusing')
  await cp(join(cwd, 'model'), folder, { recursive: true })
  const tokenizer = await AutoTokenizer.fromPretrained(folder)
  tokenizer.chatTemplate = `{% if messages | length == 1 %}{{ raise_exception('No history') }}{% endif %}${tokenizer.chatTemplate}`
  await tokenizer.save(folder)
  const { code, stdout } = await run(['train.jsonl', '--model', 'refusing', '--serve', '--limit', '0'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/message 1 · not served: the template refuses this history: .*No history/)
  expect(stdout).toContain('message 4 · same')
})

test('--serve: shows where a template parts from itself', async () => {
  const args = ['train.jsonl', '--model', 'wandering', '--serve', '--limit', '0']
  const { stdout } = await run(args)
  expect(stdout).toMatch(/message 2 · differs from token \d+ on/)
  expect(stdout).toContain('message 4 · same')
  expect(stdout).toContain('1 answer is served after other tokens than trained on')
  const lines = jsonLines((await run([...args, '--json'])).stdout)
  const turns = lines.flatMap(
    (line) =>
      line['turns'] as { same: boolean; parts_at: number; training_ids: number[]; serving_ids: number[] }[],
  )
  const parted = turns.filter(({ same }) => !same)
  expect(parted).toHaveLength(1)
  const [{ parts_at: at, training_ids: trained, serving_ids: served }] = parted
  expect(trained.slice(0, at)).toEqual(served.slice(0, at))
  expect(trained[at]).not.toBe(served[at])
})

test('broken data: the line, exit 2', async () => {
  const { code, stderr } = await run(['broken.jsonl', '--model', 'model', '--json'])
  expect(stderr).toContain('broken.jsonl:2')
  expect(code).toBe(2)
})

test('a conversation of 300 answers: every prompt is compared, every turn shown, and nothing is as large as all of them', async () => {
  const turns = Array.from({ length: 300 }, (_, i) => [
    { role: 'user', content: `Question ${i} about the sea` },
    { role: 'assistant', content: `Answer ${i} about the sky` },
  ])
  await writeFile(join(cwd, 'long.jsonl'), JSON.stringify({ messages: turns.flat() }))
  const args = ['long.jsonl', '--model', 'model', '--limit', '0']
  const served = await run([...args, '--serve'])
  expect(served.stdout.match(/ · same: the [\d,]+ tokens before it/g)).toHaveLength(300)
  const [{ turns: compared }] = jsonLines((await run([...args, '--serve', '--json'])).stdout)
  expect(compared).toHaveLength(300)
  const shown = await run([...args, '--per-turn'])
  expect(shown.stdout.match(/⟦Answer \d+ about the sky<\|im_end\|>⟧/g)).toHaveLength(300)
  expect(shown.stdout.match(/… [\d,]+ tokens as in the turn before …/g)?.length).toBeGreaterThan(250)
  expect(shown.stdout.length).toBeLessThan(500_000)
})

test('data without rows: exit 2, as in train', async () => {
  await writeFile(join(cwd, 'empty.jsonl'), '')
  const { code, stdout, stderr } = await run(['empty.jsonl', '--model', 'model'])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('empty.jsonl: no rows; expected at least one.')
})

test('--skip-invalid shows what it leaves out, and what nobody reads', async () => {
  const good = {
    id: 7,
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
    ],
  }
  await writeFile(
    join(cwd, 'odd.jsonl'),
    `${JSON.stringify(good)}\n{"messages": [\n${JSON.stringify(good)}\n`,
  )
  const args = ['odd.jsonl', '--model', 'model', '--skip-invalid', '--limit', '0']
  const { code, stdout } = await run(args)
  expect(code).toBe(0)
  expect(stdout).toContain(
    'left out: 1 row of 3 that cannot be used\n  odd.jsonl:2: not JSON: it ends inside a value (column 15); expected a JSON value\nnote: odd.jsonl: the column id is not read\n',
  )
  const json = await run([...args, '--json'])
  expect(jsonLines(json.stdout)).toHaveLength(2)
  expect(json.stderr).toContain('1 row of 3 that cannot be used')
})

test('prompts of grpo stand as they are completed, with the columns that reward functions get', async () => {
  const rows = [{ prompt: [{ role: 'user', content: 'A tree?' }], answer: 'Oak' }, { prompt: 'The sky is' }]
  await writeFile(join(cwd, 'prompts.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const args = ['prompts.jsonl', '--model', 'model', '--method', 'grpo']
  const { code, stdout } = await run([...args, '--max-length', '8'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^prompts\.jsonl:1 · \d+ tokens\n<\|im_start\|>user\nA tree\?<\|im_end\|>\n/)
  expect(stdout).toContain(
    '<|im_start|>assistant\n\n  row.prompt [{"role": "user", "content": "A tree?"}]\n  row.answer "Oak"\n',
  )
  expect(stdout).toContain('longer than max_length 8, and left out: 1 prompt')
  expect(stdout).not.toContain('learned')
  const [first, second] = jsonLines((await run([...args, '--json'])).stdout)
  expect(first).toMatchObject({ origin: { line: 1 }, row: rows[0] })
  expect(second).toEqual({
    origin: { file: 'prompts.jsonl', line: 2 },
    text: 'The sky is',
    input_ids: expect.any(Array),
    row: rows[1],
  })
  const refused = await run([...args, '--serve', '--status', 'proved'])
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/--serve: method grpo, whose rows are prompts.*\n.*--status: /)
})
