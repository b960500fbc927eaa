// The whole job on real input, by the command line as a user has it: see bench/README.md.
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { EvalEvent, StepEvent, TrainEvent } from '../src/train/events.ts'
import { table } from './table.ts'

interface Answer {
  text: string
  token_ids: number[]
  finish_reason: 'stop' | 'length'
}

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    learningRate: { type: 'string', default: '2e-4' },
    model: { type: 'string' },
    out: { type: 'string', default: 'runs/real' },
    steps: { type: 'string', default: '200' },
    heldOut: { type: 'string', default: '40' },
    questions: { type: 'string', default: '20' },
    maxNewTokens: { type: 'string', default: '400' },
  },
})
const { peers, out } = values
const model = values.model ?? join(peers, 'smollm2-q4_1.gguf')
const adapter = join(out, 'run')
const trainFile = join(out, 'train.jsonl')
const evalFile = join(out, 'eval.jsonl')
const questionFile = join(out, 'questions.jsonl')

/** Runs `fettle … --json` and hands over each line as it comes. */
async function fettle<T>(args: readonly string[], onLine: (value: T) => void): Promise<void> {
  const child = spawn(process.execPath, ['dist/cli.mjs', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(JSON.parse(line) as T)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`fettle ${args[0]} ended with ${String(code)}`)
}

async function answers(more: readonly string[]): Promise<Answer[]> {
  const found: Answer[] = []
  const { maxNewTokens } = values
  await fettle<Answer>(
    [
      'generate',
      '--model',
      model,
      '--dtype',
      'bfloat16',
      '--input',
      questionFile,
      '--max-new-tokens',
      maxNewTokens,
      ...more,
    ],
    (answer) => found.push(answer),
  )
  return found
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0) / numbers.length

await mkdir(out, { recursive: true })
const lines = (await readFile(join(peers, 'docs.jsonl'), 'utf8')).trim().split('\n')
const heldOut = lines.slice(-Number(values.heldOut))
await writeFile(trainFile, `${lines.slice(0, -heldOut.length).join('\n')}\n`)
await writeFile(evalFile, `${heldOut.join('\n')}\n`)
const asked = heldOut.slice(0, Number(values.questions)).map((line) => {
  const { messages } = JSON.parse(line) as { messages: { role: string; content: string }[] }
  return { question: messages[0], reference: messages[1].content }
})
await writeFile(
  questionFile,
  asked.map(({ question }) => `${JSON.stringify({ messages: [question] })}\n`).join(''),
)

/** Greedy answers of so small a model may repeat a sentence for ever, so that drawn ones are asked for as well. */
const drawn = ['--temperature', '0.7', '--seed', '1']
const before = { greedy: await answers([]), drawn: await answers(drawn) }
const events: TrainEvent[] = []
const trainFlags = {
  model,
  data: trainFile,
  'eval-data': evalFile,
  'output-dir': adapter,
  dtype: 'bfloat16',
  'max-length': '512',
  'per-device-train-batch-size': '2',
  'max-steps': values.steps,
  'learning-rate': values.learningRate,
  'eval-steps': '100',
  'save-steps': '100',
  seed: '1',
}
await fettle<TrainEvent>(
  ['train', ...Object.entries(trainFlags).flatMap(([name, value]) => [`--${name}`, value])],
  (event) => {
    events.push(event)
    if (event.type !== 'step' || event.step % 20 === 0) console.error(JSON.stringify(event))
  },
)
const trained = ['--adapter', adapter]
const after = { greedy: await answers(trained), drawn: await answers([...trained, ...drawn]) }

const steps = events.filter((event): event is StepEvent => event.type === 'step')
const evaluations = events.filter((event): event is EvalEvent => event.type === 'eval')
const of = (list: readonly Answer[]) => ({
  stop: list.filter(({ finish_reason }) => finish_reason === 'stop').length,
  length: list.filter(({ finish_reason }) => finish_reason === 'length').length,
  mean_tokens: mean(list.map(({ token_ids }) => token_ids.length)),
})
const losses = steps.map(({ loss }) => loss)
const result = {
  model,
  steps: steps.length,
  training_loss: { first_ten: mean(losses.slice(0, 10)), last_ten: mean(losses.slice(-10)) },
  evaluations: evaluations.map(({ step, loss, stop_probability, early_stop_probability }) => ({
    step,
    loss,
    stop_probability,
    early_stop_probability,
  })),
  answers: {
    greedy: { before: of(before.greedy), after: of(after.greedy) },
    drawn: { before: of(before.drawn), after: of(after.drawn) },
  },
  end: events.at(-1),
  samples: asked.map(({ question, reference }, i) => ({
    question: question.content,
    reference,
    before: before.greedy[i],
    after: after.greedy[i],
  })),
}
await writeFile(join(out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
const shown = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 100 ? `${line.slice(0, 99)}…` : line
}
for (const { question, before: was, after: is } of result.samples.slice(0, 6))
  console.log(
    `${question}\n  before (${was.finish_reason}) ${shown(was.text)}\n  after  (${is.finish_reason}) ${shown(is.text)}`,
  )
console.log(
  `\n${table(
    ['after step', 'loss', 'P(stop) at turn ends', 'P(stop) elsewhere'],
    result.evaluations.map((event) => [
      String(event.step),
      event.loss.toFixed(4),
      event.stop_probability?.toFixed(4) ?? '',
      event.early_stop_probability?.toExponential(2) ?? '',
    ]),
  )}`,
)
for (const [way, { before: was, after: is }] of Object.entries(result.answers))
  console.log(`\n${way} answers before ${JSON.stringify(was)}\n${way} answers after  ${JSON.stringify(is)}`)
console.log(
  `training loss ${result.training_loss.first_ten.toFixed(3)} → ${result.training_loss.last_ten.toFixed(3)}; ${join(out, 'result.json')}`,
)
