// Everything that computes, in a worker, so that the page stays awake.
import '../src/browser/node/globals.ts'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  createDataReport,
  findStopSet,
  getFiles,
  inspect,
  putFiles,
  putModel,
  removeFiles,
  setWasmSource,
  threadsProblem,
  trainSft,
} from '../src/browser-entry.ts'
import type { InspectedExample, Tokenizer } from '../src/browser-entry.ts'
import { plural } from '../src/plural.ts'
import type { FromWorker, Given, GivenFiles, Question, Questions, Shown, ToWorker } from './messages.ts'

declare const self: {
  onmessage: (event: { data: ToWorker }) => void
  postMessage(message: FromWorker): void
}

const modelFolder = '/model'
const dataFolder = '/data'
const runFolder = '/run'
/** Tokens after which an answer that does not stop is cut off. */
const answerTokens = 60
/** WebAssembly's addresses end there. */
const mostModelBytes = 4 * 2 ** 30
/** Conversations that are shown of somebody's own data. */
const shownRows = 20

let model: AutoModelForCausalLM | undefined
let tokenizer: Tokenizer | undefined
let data: string[] = []
let examples: InspectedExample[] = []
let stopping = new AbortController()

const answers: { [Q in Question]: (asks: Questions[Q]['asks']) => Promise<Questions[Q]['answer']> } = {
  async open({ model: given, data: rows, wasm }) {
    await model?.free()
    model = undefined
    tokenizer = undefined
    examples = []
    for (const folder of [modelFolder, dataFolder, runFolder]) removeFiles(folder)
    setWasmSource(wasm)
    const [path, paths] = await Promise.all([putGivenModel(given), putData(rows)])
    data = paths
    tokenizer = await AutoTokenizer.fromPretrained(path)
    model = await AutoModelForCausalLM.fromPretrained(path, { engine: 'wasm' })
    const report = createDataReport()
    examples = await inspected(data, tokenizer, Number.POSITIVE_INFINITY, report)
    const { parameterCount: parameters, engine } = model
    const [first] = report.invalid
    return {
      parameters,
      threads: engine.threads,
      vectors: engine.isa,
      oneThread: threadsProblem() ?? null,
      rows: examples.length,
      leftOut: first ? { count: report.invalidRows, first: `${first.place}: ${first.reason}` } : null,
    }
  },

  async show({ index }) {
    const example = examples[index]
    return example && tokenizer ? shownOf(example, tokenizer) : null
  },

  async train({ steps, learningRate, rank, maxLength }) {
    const { model, tokenizer } = opened()
    stopping = new AbortController()
    removeFiles(runFolder)
    // A run begins with a fresh adapter.
    for (const name of model.adapterNames) await model.deleteAdapter(name)
    let stopped = false
    for await (const event of trainSft({
      model,
      tokenizer,
      data,
      outputDir: runFolder,
      lora: { r: rank, loraAlpha: 2 * rank },
      learningRate,
      maxSteps: steps,
      maxLength,
      perDeviceTrainBatchSize: 4,
      saveSteps: 0,
      report: false,
      // The page told which they are.
      skipInvalid: true,
      evalSteps: 0,
      signal: stopping.signal,
    })) {
      if (event.type === 'step') {
        const { step, loss, tokens_per_second: tokensPerSecond } = event
        self.postMessage({ progress: { step, maxSteps: steps, loss, tokensPerSecond } })
      }
      if (event.type === 'end') stopped = event.interrupted
    }
    return { stopped }
  },

  async ask({ question }) {
    const { model } = opened()
    const after = await answerTo(question)
    if (model.adapterNames.length === 0) return { before: null, after }
    return { before: await model.withAdapterDisabled(() => answerTo(question)), after }
  },

  async adapter() {
    const names = /^(adapter_|README|tokenizer|special_tokens|chat_template|generation_config)/
    const files = Object.entries(getFiles(runFolder)).filter(([name]) => names.test(name))
    // Nobody has to load it to train.
    const zipOf = await part(async () => {
      const { zipOf } = await import('../src/browser/zip.ts')
      return zipOf
    })
    return zipOf(Object.fromEntries(files))
  },

  async examine({ files, data: rows }) {
    const [mine, theirs] = ['/examined', '/examined-data']
    for (const folder of [mine, theirs]) removeFiles(folder)
    await Promise.all([putFiles(mine, sourcesOf(files)), putFiles(theirs, sourcesOf(rows))])
    const paths = Object.keys(rows).map((name) => `${theirs}/${name}`)
    // Not everybody asks for it.
    const diagnose = await part(async () => {
      const { diagnose } = await import('../src/doctor/index.ts')
      return diagnose
    })
    const diagnoses = await diagnose({ paths: [mine], data: paths })
    const shown = await examplesOf(mine, paths).catch((error: unknown) => {
      // The doctor says why nothing can be shown, and what cures it.
      if (diagnoses.length > 0) return []
      throw error
    })
    return { diagnoses, shown }
  },
}

/** Puts a model into the page's memory; the path for `fromPretrained`. */
async function putGivenModel(given: Given): Promise<string> {
  if ('address' in given) return putModel(modelFolder, new URL(given.address))
  const { files } = given
  checkSize(files)
  await putFiles(modelFolder, sourcesOf(files))
  const gguf = Object.keys(files).find((name) => name.endsWith('.gguf'))
  return gguf === undefined ? modelFolder : `${modelFolder}/${gguf}`
}

/** Puts rows into the page's memory; the paths of their files. */
async function putData(given: Given): Promise<string[]> {
  const files = 'files' in given ? given.files : { [nameAt(given.address)]: { address: given.address } }
  await putFiles(dataFolder, sourcesOf(files))
  return Object.keys(files).map((name) => `${dataFolder}/${name}`)
}

const nameAt = (address: string): string => new URL(address).pathname.split('/').at(-1) || 'rows.jsonl'

/** Before they are read: what the engine's memory cannot hold would end in a browser's own words. */
function checkSize(files: GivenFiles): void {
  const sizeBytes = Object.values(files).reduce(
    (sum, file) => sum + (file instanceof Blob ? file.size : 0),
    0,
  )
  if (sizeBytes > mostModelBytes)
    throw new Error(
      `The model has ${(sizeBytes / 2 ** 30).toFixed(1)} GiB; expected less than 4 GiB, which is all that a page’s engine can address. Train it with fettle in Node instead.`,
    )
}

function sourcesOf(files: GivenFiles): Record<string, Blob | URL> {
  const entries = Object.entries(files)
  return Object.fromEntries(
    entries.map(([name, file]) => [name, file instanceof Blob ? file : new URL(file.address)]),
  )
}

/** @throws Error with a cure, where the page's server does not give out a part of it */
function part<T>(load: () => Promise<T>): Promise<T> {
  return load().catch((error: unknown) => {
    throw new Error(
      `A part of this page cannot be loaded (${error instanceof Error ? error.message : String(error)}). Try again when its server answers.`,
    )
  })
}

async function examplesOf(folder: string, paths: string[]): Promise<Shown[]> {
  const by = await AutoTokenizer.fromPretrained(folder)
  return (await inspected(paths, by, shownRows)).map((example) => shownOf(example, by))
}

function opened(): { model: AutoModelForCausalLM; tokenizer: Tokenizer } {
  if (!model || !tokenizer) throw new Error('no model was opened yet')
  return { model, tokenizer }
}

async function inspected(
  paths: string[],
  by: Tokenizer,
  most: number,
  report = createDataReport(),
): Promise<InspectedExample[]> {
  const found: InspectedExample[] = []
  if (paths.length === 0) return found
  for await (const example of inspect(paths, by, { skipInvalid: true, report })) {
    found.push(example)
    if (found.length >= most) break
  }
  return found
}

function shownOf({ origin, inputIds, mask, spans }: InspectedExample, by: Tokenizer): Shown {
  const stops = new Set(spans.filter(({ status }) => status !== 'no-stop').map(({ end }) => end - 1))
  const decoding = by.createDecodeStream()
  const tokens = Array.from(inputIds, (id, i) => ({
    text: decoding.push(id),
    learned: mask[i] === 1,
    stops: stops.has(i),
  }))
  const place = origin.line === undefined ? `row ${(origin.row ?? 0) + 1}` : `line ${origin.line}`
  return { origin: place, tokens, spans: spans.map(({ message, status }) => ({ message, status })) }
}

async function answerTo(question: string): Promise<string> {
  const { model, tokenizer } = opened()
  const prompt = tokenizer.applyChatTemplate([{ role: 'user', content: question }], {
    addGenerationPrompt: true,
  })
  const { inputIds } = await tokenizer.encode(prompt, { addSpecialTokens: false })
  const room = model.maxPositions - answerTokens
  // It would answer nonsense, after minutes.
  if (inputIds.length > room)
    throw new Error(
      `The question has ${plural(inputIds.length, 'token')}; expected at most ${room}, which leaves ${answerTokens} of the model’s positions for the answer. Shorten it.`,
    )
  const stopTokenIds = findStopSet(tokenizer, model.generationConfig).ids
  const [tokens] = await model.generate(
    { inputIds: [inputIds] },
    { maxNewTokens: answerTokens, doSample: false, stopTokenIds },
  )
  const text = tokenizer.decode(tokens, { skipSpecialTokens: true })
  return stopTokenIds.includes(tokens.at(-1) ?? -1) ? text : `${text} … (never stopped)`
}

self.onmessage = async ({ data: message }) => {
  if ('stop' in message) {
    stopping.abort()
    return
  }
  const { id, question, asks } = message
  try {
    const answer = await (answers[question] as (asks: unknown) => Promise<unknown>)(asks)
    self.postMessage({ id, answer })
  } catch (error) {
    self.postMessage({ id, failure: error instanceof Error ? error.message : String(error) })
  }
}
