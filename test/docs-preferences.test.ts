import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { inspect, readPrompts } from '../src/data/index.ts'
import { AutoTokenizer } from '../src/tokenizer/index.ts'
import { loadRewards } from '../src/train/grpo/load-rewards.ts'
import { readRunOptions, runFileLayer } from '../src/train/index.ts'
import { blocksOf, root, runCode } from './page-code.ts'

await mkdir(join(root, 'build'), { recursive: true })
const folder = await mkdtemp(join(root, 'build', 'docs-preferences-'))
afterAll(() => rm(folder, { recursive: true }))

const tiny = join(root, 'assets/tiny-llama')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)
const pageOf = (name: string) => readFile(join(root, 'docs', name), 'utf8')
const preferences = await pageOf('preferences.md')
const grpo = await pageOf('grpo.md')
const rowsOf = (page: string, kind: string) =>
  blocksOf(page, `json ${kind}`).flatMap((block) =>
    block
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  )

/** What the pages take for granted. */
const imports = `import { AutoModelForCausalLM, AutoTokenizer, type RewardFunction } from 'fettle'
const tokenizer = await AutoTokenizer.fromPretrained('assets/tiny-llama')
`

test('docs/preferences.md: the program, the run file and the rows', async () => {
  const [program] = blocksOf(preferences, 'ts')
  const printed = await runCode(program, folder, 'dpo')
  expect(printed.map(([loss]) => loss)).toEqual([expect.closeTo(Math.LN2, 4)])
  const [file] = blocksOf(preferences, 'yaml')
  expect(readRunOptions([runFileLayer(file, 'run.yaml')])).toMatchObject({
    method: 'dpo',
    lossType: ['sigmoid', 'sft'],
  })
  for (const kind of ['pairs', 'answers'] as const) {
    const rows = rowsOf(preferences, kind)
    // Rows of text and of tokens do not stand in one file.
    for (const row of rows) {
      const parts: unknown[] = []
      const examples = inspect([{ rows: [row] }], tokenizer, { preferences: kind })
      for await (const { origin } of examples) parts.push(origin.part)
      expect(parts.length).toBeGreaterThan(0)
    }
  }
})

test('docs/grpo.md: the program, the run files and the rows', async () => {
  const [program] = blocksOf(grpo, 'ts')
  const printed = await runCode(program, folder, 'grpo')
  expect(printed).toEqual([[expect.any(Number), expect.any(Number)]])
  const [judges] = blocksOf(grpo, 'js')
  await writeFile(join(folder, 'rewards.mjs'), judges)
  const { functions } = await loadRewards([join(folder, 'rewards.mjs')])
  expect(functions.map(({ name }) => name)).toEqual(['right', 'short'])
  const [file] = blocksOf(grpo, 'yaml')
  expect(readRunOptions([runFileLayer(file, 'run.yaml')])).toMatchObject({
    method: 'grpo',
    numGenerations: 8,
  })
  const [rewards] = blocksOf(grpo, 'yaml rewards')
  const { rewards: named } = readRunOptions([runFileLayer(`model: x\ndata: y\n${rewards}`, 'run.yaml')])
  expect(named).toEqual(['runs/reward', 'rewards.mjs'])
  const kinds: string[] = []
  for await (const { content } of readPrompts([{ rows: rowsOf(grpo, 'prompts') }])) kinds.push(content.kind)
  expect(kinds).toEqual(['text', 'messages', 'messages', 'tokens'])
})

test('docs: a reward model that is trained scores, as a program and as a reward', async () => {
  const { AutoModelForCausalLM, trainReward } = await import('../src/index.ts')
  const model = await AutoModelForCausalLM.fromPretrained(tiny)
  const rows = rowsOf(preferences, 'pairs').slice(0, 1)
  const place = join(folder, 'reward')
  for await (const _ of trainReward({ model, tokenizer, data: [{ rows }], maxSteps: 1, outputDir: place }));
  await model.free()
  const here = (code: string) => imports + code.replace("'path/to/base'", "'assets/tiny-llama'")
  const [scores] = blocksOf(preferences, 'ts scores')
  const [[scored]] = await runCode(`${here(scores)}\nconsole.log(scores)\n`, folder, 'scores')
  expect(scored).toEqual([expect.any(Number), expect.any(Number)])

  // The function of the page, and the folder itself, say the same of tokens; of texts the folder reads its own.
  const [judge] = blocksOf(grpo, 'ts judge')
  const context = { prompt: [1, 5], promptIds: [1, 5], completionIds: [6, 2], finishReason: 'stop' as const }
  const asked = `console.log(await reward('', {}, ${JSON.stringify(context)}))`
  const [[byFunction]] = await runCode(`${here(judge)}\n${asked}\n`, folder, 'judge')
  const { functions, free } = await loadRewards([place])
  expect(functions[0].name).toBe('reward')
  expect(await functions[0]('', {}, context)).toBe(byFunction)
  const said = { ...context, prompt: 'The sky is' }
  const [whole, cut] = await Promise.all(
    (['stop', 'length'] as const).map((finishReason) =>
      functions[0](' blue.', {}, { ...said, finishReason }),
    ),
  )
  const again = await AutoModelForCausalLM.fromPretrained(tiny)
  await again.loadAdapter(place)
  const scoreOf = async (text: string) => {
    const { inputIds } = await tokenizer.encode([text])
    return (await again.score({ inputIds }))[0]
  }
  expect(whole).toBe(await scoreOf(`The sky is blue.${tokenizer.eosToken}`))
  expect(cut).toBe(await scoreOf('The sky is blue.'))
  await Promise.all([free(), again.free()])
})
