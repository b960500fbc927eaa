import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, expect, test } from 'vitest'

/** A project that has fettle installed, as another person's tsc sees it: the built types, and those of its dependencies. */
const root = join(import.meta.dirname, '..')
mkdirSync(join(root, 'build'), { recursive: true })
const project = mkdtempSync(join(root, 'build', 'consumer-'))
mkdirSync(join(project, 'node_modules'))
symlinkSync(root, join(project, 'node_modules', 'fettle'))
writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "type": "module" }')
afterAll(() => rmSync(project, { recursive: true }))

const program = `
import { AutoModelForCausalLM, AutoTokenizer, diagnose, FettleError, inspect, pipeline, runFileJsonSchema, TextStreamer, trainSft } from 'fettle'
import type { Diagnosis, FinishReason, LoraConfig, Message, Problem, TextPiece, TrainEvent } from 'fettle'

const tokenizer = await AutoTokenizer.fromPretrained('model')
await using model = await AutoModelForCausalLM.fromPretrained('model', { dtype: 'bfloat16', quantization: 'nf4' })
await model.addAdapter({ r: 4, targetModules: ['q_proj'] } satisfies Partial<LoraConfig>, 7)
for await (const event of trainSft({ model, tokenizer, data: ['train.jsonl'], lora: null, learningRate: 1e-5 })) {
  const seen: TrainEvent = event
  if (seen.type === 'step') seen.grad_norm.toFixed()
}

const rows: number[][] = await model.generate({ inputIds: [[1], [2, 3]] }, { maxNewTokens: 2 })
const { sequences, finishReasons } = await model.generate({ inputIds: rows }, { returnDictInGenerate: true })
const reason: FinishReason | undefined = finishReasons[sequences.length]
for await (const piece of model.stream({ inputIds: [[1]] }, { tokenizer })) {
  const { text }: TextPiece = piece
  text.trim()
}
// @ts-expect-error without a tokenizer there is no text
for await (const { text } of model.stream({ inputIds: [[1]] })) text

const messages: Message[] = [{ role: 'user', content: 'Well?' }]
const generator = await pipeline('text-generation', 'model', { quantization: 'int8' })
const streamer = new TextStreamer(generator.tokenizer, { skip_prompt: true, callback_function: (text) => text.trim() })
const [{ generated_text }] = await generator(messages, { max_new_tokens: 8, do_sample: false, streamer })
const answer: Message | undefined = generated_text.at(-1)
const texts: string[] = (await generator(['a', 'b'], { maxNewTokens: 8 })).map(([{ generated_text }]) => generated_text)
// @ts-expect-error no such option
await generator('a', { max_new_token: 8 })

for await (const { text, inputIds, mask, spans } of inspect(['train.jsonl'], tokenizer))
  if (spans.some(({ status }) => status === 'inferred')) text.slice(inputIds.length, mask.length)
const diagnoses: Diagnosis[] = await diagnose({ paths: ['model'] })
try {
  runFileJsonSchema()['properties']
} catch (error) {
  if (error instanceof FettleError) error.problems.map(({ place, cure }: Problem) => [place, cure])
}
export { answer, diagnoses, reason, texts }
`

/** The same in a page: no types of Node. */
const pageProgram = `
import { AutoTokenizer, findLearnedSpans, findStopSet, parseChatTemplate } from 'fettle/chat'
import type { LearnedSpan, Rendered } from 'fettle/chat'

const template = parseChatTemplate('{{ messages[0].content }}')
const messages = [{ role: 'user', content: 'Well?' }]
const rendered: Rendered = template.render({ messages })
const spans: LearnedSpan[] = findLearnedSpans(template, { messages }, {})
export const stops = async (contents: Parameters<typeof AutoTokenizer.fromFiles>[0]) =>
  findStopSet(await AutoTokenizer.fromFiles(contents)).ids
export { rendered, spans }
`

const settings = {
  nodenext: { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
  bundler: { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
}
const node = { lib: ['lib.es2023.d.ts'], types: ['node'] }
/** A page, and a fresh folder in which tsc knows no types but those it brings. */
const page = { lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'], types: [] }

const programs = { fettle: program, 'fettle/chat': pageProgram }

test.each([
  [['fettle'], 'nodenext', node],
  [['fettle/chat'], 'nodenext', page],
  // One compilation, whose settings are the same.
  [['fettle', 'fettle/chat'], 'bundler', page],
] as const)(
  'a strict project compiles against the built types of %j with %s, without skipLibCheck',
  (names, resolution, platform) => {
    const files = names.map((name) => {
      const file = join(project, `${name.replace('/', '-')}-${resolution}.ts`)
      writeFileSync(file, programs[name])
      return file
    })
    const compiled = ts.createProgram(files, {
      ...settings[resolution],
      lib: [...platform.lib],
      types: [...platform.types],
      target: ts.ScriptTarget.ES2022,
      typeRoots: [join(root, 'node_modules', '@types')],
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
    })
    const problems = ts.getPreEmitDiagnostics(compiled).map(({ messageText, file: at, start = 0 }) => {
      const { line } = at?.getLineAndCharacterOfPosition(start) ?? { line: 0 }
      return `${at?.fileName}:${line + 1} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
    })
    expect(problems).toEqual([])
    const read = compiled.getSourceFiles().map(({ fileName }) => fileName)
    for (const name of names)
      expect(
        read.some((file) => file.endsWith(name === 'fettle' ? 'dist/index.d.mts' : 'dist/chat.d.mts')),
      ).toBe(true)
  },
  180_000,
)

test('every path of the package is there', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object }
  const paths = Object.values(exports).flatMap((entry: string | Record<string, string>) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )
  for (const path of paths) expect(readFileSync(join(root, path), 'utf8').length, path).toBeGreaterThan(0)
})
