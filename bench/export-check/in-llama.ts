import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readEvaluationPrompts } from '../../src/export/certificate/evaluation-prompts.ts'
import { AutoModelForCausalLM, AutoTokenizer } from '../../src/index.ts'
import { findRunEvaluation } from '../../src/train/index.ts'

/** What is asked of both. */
export interface Questions {
  prompts: number[][]
  /** Conversations that a file's own template renders; empty for files without a vocabulary. */
  messages: { role: string; content: string }[][]
  texts: string[]
  /** Tokens that are added, at most. */
  tokens: number
}

/** What fettle, or llama.cpp, makes of a prompt. */
export interface Continued {
  /** Behind the prompt. */
  logits: number[]
  /** With the token that ended it. */
  greedy: number[]
  stopped: boolean
}

export interface LlamaCompared {
  difference: number
  sameGreedy: boolean
  /** How many answers ended by themselves, and how many of these with the same token at the same place. */
  stops: { fettle: number; llama: number; alike: number }
  sameTexts: boolean
  sameTokens: boolean
}

/** Conversations with one question each, rendered and cut by fettle. */
export async function askQuestions(
  model: string,
  questions: readonly string[],
  tokens: number,
): Promise<Questions> {
  const tokenizer = await AutoTokenizer.fromPretrained(model)
  const messages = questions.map((content) => [{ role: 'user', content }])
  const texts = messages.map((each) => tokenizer.applyChatTemplate(each, { addGenerationPrompt: true }))
  const { inputIds } = await tokenizer.encode(texts, { addSpecialTokens: false })
  return { prompts: inputIds, messages, texts, tokens }
}

/** The first evaluation rows of the run that made an adapter, as a certificate asks them; none of one that no run made. */
export async function askRows(
  model: string,
  adapter: string,
  count: number,
  tokens: number,
): Promise<Questions> {
  const run = await findRunEvaluation(adapter)
  const tokenizer = await AutoTokenizer.fromPretrained(model)
  const rows = typeof run === 'object' ? await readEvaluationPrompts(run, tokenizer, count) : []
  const messages = rows.map(({ request }) =>
    request.kind === 'messages'
      ? request.messages.map(({ role, content }) => ({ role, content: String(content) }))
      : [],
  )
  return { prompts: rows.map(({ ids }) => ids), messages, texts: rows.map(({ text }) => text), tokens }
}

/** fettle's own, in float32. */
export async function continuedByFettle(
  paths: { model: string; adapter?: string },
  { prompts, tokens }: Questions,
): Promise<Continued[]> {
  await using model = await AutoModelForCausalLM.fromPretrained(paths.model, { dtype: 'float32' })
  if (paths.adapter !== undefined) await model.loadAdapter(paths.adapter)
  const stops = model.generationConfig.eosTokenIds
  const longest = Math.max(...prompts.map(({ length }) => length))
  const padding = (prompt: readonly number[], value: number) =>
    Array<number>(longest - prompt.length).fill(value)
  // All rows in one pass a token.
  const answers = await model.generate(
    {
      inputIds: prompts.map((prompt) => [...padding(prompt, 0), ...prompt]),
      attentionMask: prompts.map((prompt) => [...padding(prompt, 0), ...prompt.map(() => 1)]),
    },
    { maxNewTokens: tokens, stopTokenIds: stops, doSample: false },
  )
  const rows: Continued[] = []
  for (const [i, prompt] of prompts.entries()) {
    const { logits } = await model.forward({ inputIds: [prompt] })
    const stop = answers[i].findIndex((id) => stops.includes(id))
    rows.push({
      logits: Array.from(logits.data.slice(-logits.data.length / prompt.length)),
      greedy: stop < 0 ? answers[i] : answers[i].slice(0, stop + 1),
      stopped: stop >= 0,
    })
  }
  return rows
}

/** The same questions to llama.cpp, and how far it is from what was expected. */
export async function compareInLlama(
  python: string,
  out: string,
  questions: Questions,
  expected: readonly Partial<Continued>[],
  files: readonly string[],
): Promise<LlamaCompared> {
  const [asked, answer] = [join(out, 'questions.json'), join(out, 'answer.json')]
  const guesses = expected.map(({ greedy }) => greedy ?? [])
  await writeFile(asked, JSON.stringify({ ...questions, guesses }))
  await runPython(python, [join('bench', 'export-check', 'llama_cpp_side.py'), asked, answer, ...files])
  const { rows, texts, tokens } = JSON.parse(await readFile(answer, 'utf8')) as {
    rows: Continued[]
    texts: string[]
    tokens: number[][]
  }
  const differences = rows.flatMap(({ logits }, i) =>
    (expected[i].logits ?? []).map((logit, k) => Math.abs(logit - logits[k])),
  )
  const stopped = (all: readonly Partial<Continued>[]) => all.filter((each) => each.stopped === true)
  const endOf = ({ greedy = [] }: Partial<Continued>) => `${greedy.length} ${greedy.at(-1)}`
  const alike = rows.filter((row, i) => {
    const own = expected[i]
    return row.stopped && own.stopped === true && endOf(row) === endOf(own)
  })
  return {
    difference: differences.reduce((most, each) => Math.max(most, each), 0),
    sameGreedy: rows.every(({ greedy }, i) => greedy.join() === (expected[i].greedy ?? greedy).join()),
    stops: { fettle: stopped(expected).length, llama: stopped(rows).length, alike: alike.length },
    sameTexts: texts.every((text, i) => text === questions.texts[i]),
    sameTokens: tokens.every((ids, i) => ids.join() === questions.prompts[i].join()),
  }
}

export async function runPython(python: string, args: readonly string[]): Promise<void> {
  const child = spawn(python, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw new Error(`${python} ${args.join(' ')} ended with ${String(code)}`)
}
