import { join, relative } from 'node:path'
import { AutoModelForCausalLM } from '../model/index.ts'
import { encodePrompt } from '../pipeline/index.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import { AutoTokenizer, findStopSet } from '../tokenizer/index.ts'
import { trainSft } from '../train/index.ts'
import { inspect, readRows, toConversations } from '../data/index.ts'
import { commandLine } from './command-line.ts'
import { endSignals, hear, interruptedCode } from './terminal/interruptible.ts'
import { endWhenOutputCloses } from './terminal/closed-output.ts'
import { defineCommand } from './command.ts'
import { wholeNumber } from './flags/flags.ts'
import { showExample } from './inspect/examples-view.ts'
import { writeJsonLine } from './terminal/json-lines.ts'
import { modelFlags, oneOf } from './flags/model-flags.ts'
import { showNotices } from './terminal/notices.ts'
import { unbroken } from './terminal/paint.ts'
import { createRunView } from './train/run-view.ts'
import { hang, terminalOf } from './terminal/terminal.ts'
import { packageFolder } from '../version.ts'

/** Questions shown before and after; asked in words that the training data does not use. */
const shownQuestions = 3
/** Tokens after which an answer that does not stop is cut off. */
const answerTokens = 40

/** Fine-tunes the small model that fettle ships, and shows what changed. */
export const demo = defineCommand({
  flags: {
    outputDir: { type: 'string', hint: 'path', description: 'Where the adapter goes; default runs/demo' },
    overwrite: { type: 'boolean', description: 'Replaces the run that --output-dir holds' },
    steps: { type: 'number', description: 'Optimiser steps; default 120' },
    engine: modelFlags.engine,
    threads: modelFlags.threads,
    json: { type: 'boolean', description: 'Prints events and answers as JSON lines' },
  },
  details: 'Everything is on this machine: nothing is downloaded, no account or key is needed.',
  examples: ['demo', 'demo --output-dir /tmp/demo --steps 60'],
  async run({ outputDir: given, overwrite = false, steps = 120, engine, threads, json = false }) {
    const outputDir = given ?? join('runs', 'demo')
    wholeNumber('--steps', steps, 1)
    endWhenOutputCloses()
    const assets = relative(process.cwd(), join(packageFolder(), 'assets')) || '.'
    const path = join(assets, 'tiny-llama')
    const data = join(assets, 'demo.jsonl')
    const evalData = join(assets, 'demo-eval.jsonl')
    const terminal = terminalOf(process.stdout)
    const { paint } = terminal
    const say = json ? () => {} : (text: string) => terminal.write(`${text}\n`)

    const tokenizer = await AutoTokenizer.fromPretrained(path)
    const model = await AutoModelForCausalLM.fromPretrained(path, {
      engine: oneOf(engine, modelFlags.engine.options),
      ...(threads !== undefined && { threads }),
    })
    showNotices(model.notices)
    const [example] = await firstExample(data, tokenizer)
    say(`${paint.bold('What is learned')} of the first conversation (coloured; the rest is only read):\n`)
    say(showExample(example, tokenizer, terminal))

    const questions = await firstQuestions(evalData)
    const before = await answers(model, tokenizer, questions)
    // In a pipe a line a step would hide the rest.
    const view = json ? undefined : createRunView(terminal, { lineEvery: 20 })
    const stop = new AbortController()
    const deaf = hear(endSignals, () => {
      stop.abort()
      // A second one ends the process at once.
      deaf()
    })
    try {
      const run = trainSft({
        model,
        tokenizer,
        data: [data],
        evalData: [evalData],
        outputDir,
        // What an earlier demo left in its own folder is worth nothing.
        overwrite: overwrite || given === undefined,
        lora: { r: 16, loraAlpha: 32 },
        learningRate: 2e-3,
        maxSteps: steps,
        maxLength: 256,
        // A quarter of the tokens where each costs a hundred times as much.
        perDeviceTrainBatchSize: model.engine.name === 'reference' ? 1 : 4,
        evalSteps: 0,
        saveSteps: 0,
        signal: stop.signal,
      })
      for await (const event of run) {
        if (json) writeJsonLine(event)
        else view?.show(event)
      }
    } catch (error) {
      // Ctrl-C before the first step.
      if (error === stop.signal.reason) return interruptedCode
      throw error
    } finally {
      deaf()
      view?.close()
    }

    const after = await answers(model, tokenizer, questions)
    if (json) {
      questions.forEach((question, i) =>
        writeJsonLine({ type: 'answer', question, before: before[i], after: after[i] }),
      )
      return
    }
    say('')
    questions.forEach((question, i) => {
      say(`  ${paint.bold(question)}`)
      const unfinished = paint.red('… (never stopped)')
      say(hang('    before  ', paint.dim(shown(before[i], unfinished)), terminal))
      const stop = after[i].stopped ? paint.magenta(' ■') : ''
      say(hang('    after   ', shown(after[i], unfinished) + stop, terminal))
    })
    say(
      `\n${paint.bold('Next:')}  ${unbroken(commandLine(['chat', '--model', path, '--adapter', outputDir]))}\n` +
        `       ${unbroken(`${commandLine(['train'])} --model ~/models/SmolLM2-135M-Instruct --data your.jsonl`)}`,
    )
  },
})

interface Answer {
  text: string
  stopped: boolean
}

function shown({ text, stopped }: Answer, unfinished: string): string {
  const line = text.replaceAll('\n', ' ').trim()
  return stopped ? line : `${line} ${unfinished}`
}

async function firstExample(path: string, tokenizer: Tokenizer) {
  const found = []
  for await (const example of inspect([path], tokenizer)) {
    found.push(example)
    break
  }
  return found
}

async function firstQuestions(path: string): Promise<string[]> {
  const questions: string[] = []
  for await (const conversation of toConversations(readRows({ path }), {})) {
    if (conversation.kind === 'messages') questions.push(String(conversation.messages[0].content))
    if (questions.length === shownQuestions) break
  }
  return questions
}

/** Greedy answers of the model as it is now. */
async function answers(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  questions: readonly string[],
): Promise<Answer[]> {
  const prompts = await Promise.all(
    questions.map((content) => encodePrompt(tokenizer, { messages: [{ role: 'user', content }] })),
  )
  const stopTokenIds = findStopSet(tokenizer).ids
  const { sequences, finishReasons } = await model.generate(
    { inputIds: prompts },
    { maxNewTokens: answerTokens, stopTokenIds, returnDictInGenerate: true },
  )
  return sequences.map((tokenIds, i) => ({
    text: tokenizer.decode(tokenIds, { skipSpecialTokens: true }),
    stopped: finishReasons[i] === 'stop',
  }))
}
