import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createRunView } from '../../src/cli/train/run-view.ts'
import { paintOf, toTerminal } from '../../src/cli/terminal/paint.ts'
import type { Terminal } from '../../src/cli/terminal/terminal.ts'
import type { EvalEvent, StartEvent, StepEvent, TrainEvent } from '../../src/train/index.ts'

const start: StartEvent = {
  type: 'start',
  model: 'tiny',
  engine: 'native',
  isa: 'avx2',
  threads: 2,
  dtype: 'bfloat16',
  parameters: 2_600_000,
  trainable_parameters: 155_000,
  examples: 400,
  tokens: 61_240,
  learned_tokens: 18_902,
  truncated_tokens: 12,
  truncated_stops: 1,
  truncated_answers: 0,
  truncated_examples: 0,
  rows: 400,
  invalid_rows: 0,
  mapped_away: 0,
  duplicates: 0,
  held_out: 0,
  repeated: 0,
  sources: [],
  invalid: [],
  data_notes: [],
  examples_without_learned_tokens: 3,
  spans: { marked: 0, proved: 798, aligned: 2, inferred: 0, dropped: 0, 'no-stop': 0 },
  steps: 10,
  steps_per_epoch: 10,
  first_step: 0,
  run_id: 'b1946ac9',
  output_dir: 'runs/x',
}

const step = (index: number): StepEvent => ({
  type: 'step',
  step: index,
  epoch: 0,
  loss: 4 - index / 4,
  grad_norm: 1,
  learning_rate: 2e-4,
  tokens: 1000,
  learned_tokens: 300,
  tokens_per_second: 500,
  elapsed_ms: index * 2000,
  peak_rss_mib: 100,
})

const evaluation = (index: number, probability: number): EvalEvent => ({
  type: 'eval',
  step: index,
  loss: 3,
  learned_tokens: 10,
  stop_probability: probability,
  early_stop_probability: 0.002,
})

const end: TrainEvent = {
  type: 'end',
  step: 10,
  loss: 1.5,
  interrupted: false,
  elapsed_ms: 20_000,
  tokens_per_second: 500,
  peak_rss_mib: 100,
  output_dir: 'runs/x',
}

function screen(interactive: boolean, width = 120) {
  const written: string[] = []
  const terminal: Terminal = {
    interactive,
    width,
    lineWidth: interactive ? width : undefined,
    paint: paintOf(false),
    write: (text) => void written.push(toTerminal(text)),
    writeAnswer: (text) => void written.push(text),
  }
  return { terminal, text: () => written.join(''), last: () => written.at(-1) ?? '' }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

test('a progress line tells step, loss, speed and the time left', () => {
  const { terminal, last } = screen(true)
  const view = createRunView(terminal)
  view.show(start)
  for (let i = 1; i <= 4; i += 1) {
    vi.advanceTimersByTime(2000)
    view.show(step(i))
  }
  expect(last()).toContain('step 4/10')
  expect(last()).toContain('loss 3.00 █▆▃▁')
  expect(last()).toContain('500 tokens/s')
  expect(last()).toContain('12 s left')
  vi.advanceTimersByTime(1200)
  expect(last()).toContain('11 s left')
  // A step that takes longer than the others does not make the time left grow, nor pass beyond itself.
  vi.advanceTimersByTime(60_000)
  expect(last()).toContain('10 s left')
  view.close()
})

test('the time that a process was stopped is nobody’s pace', () => {
  const { terminal, text } = screen(false)
  const view = createRunView(terminal)
  const slow = { tokens_per_second: 10 }
  view.show(start)
  for (let i = 1; i <= 6; i += 1) {
    vi.advanceTimersByTime(i === 4 ? 100_000 : 2000)
    if (i === 4) view.resumed()
    view.show({ ...step(i), ...(i === 4 && slow) })
  }
  view.close()
  const told = text()
    .split('\n')
    .filter((line) => line.startsWith('step'))
  expect(told[2]).toContain('500 tokens/s  14 s left')
  // From the step that was stopped on, as at the beginning: two of them make a pace.
  expect(told[3]).toMatch(/500 tokens\/s$/)
  expect(told[4]).toContain('500 tokens/s  10 s left')
  expect(told[5]).toContain('500 tokens/s  8 s left')
})

test.each([40, 60, 100, 200])('the progress line fits into %i columns', (width) => {
  const { terminal, last } = screen(true, width)
  const view = createRunView(terminal)
  view.show(start)
  view.show(step(1))
  vi.advanceTimersByTime(2000)
  view.show(step(2))
  expect([...last().replace('\r\u001B[K', '')].length).toBeLessThan(width)
  view.close()
})

test('what is said stands above the progress line, and nothing of it is left at the end', () => {
  const { terminal, text } = screen(true)
  const view = createRunView(terminal)
  view.show(start)
  view.show(step(1))
  view.say('a word')
  view.show(end)
  view.close()
  expect(text()).toContain('\r\u001B[Ka word\n')
  // What follows the last escape code is plain lines.
  expect(text().slice(text().lastIndexOf('\u001B[K') + 3)).toMatch(/^✔ trained/)
})

test('in a pipe: facts, a line a step, and what changed', () => {
  const { terminal, text } = screen(false)
  const view = createRunView(terminal)
  for (const event of [start, evaluation(0, 0.003), step(1), step(2), evaluation(2, 0.991), end])
    view.show(event)
  view.close()
  expect(text()).toBe(
    [
      '✔ model     tiny · 2.6 M parameters, 155 k of them trained · bfloat16',
      '✔ data      400 examples · 61,240 tokens, 18,902 learned',
      '✔ masks     800 answers · 798 proved · 2 aligned · 3 examples had nothing to learn',
      '✔ engine    native · avx2 · 2 threads',
      '✔ cut       12 tokens beyond max_length · 1 answer lost the stop token',
      '✔ eval      step 0 · loss 3.0000 · stops after an answer 0.3% · too early 0.2%',
      'step 1/10  loss 3.7500  grad_norm 1.000  learning_rate 2.00e-4  500 tokens/s',
      'step 2/10  loss 3.5000  grad_norm 1.000  learning_rate 2.00e-4  500 tokens/s  0 s left',
      '✔ eval      step 2 · loss 3.0000 · stops after an answer 99.1% · too early 0.2%',
      '✔ trained   loss 3.75 → 1.50 · stops after an answer: 0.3% → 99.1% · 10 steps in 20 s, 500 tokens/s, 100 MiB at most',
      '✔ saved     runs/x',
      '',
    ].join('\n'),
  )
})

test('says what became of rows', () => {
  const { terminal, text } = screen(false)
  const view = createRunView(terminal)
  view.show({
    ...start,
    rows: 405,
    invalid_rows: 5,
    invalid: [1, 2, 3, 4, 5].map((line) => ({ place: `a.jsonl:${line}`, reason: 'no' })),
    truncated_answers: 2,
    truncated_examples: 1,
    data_notes: ['a.jsonl: the column id is not read'],
  })
  view.close()
  expect(text()).toContain('data      400 examples of 405 rows · 61,240 tokens')
  expect(text()).toContain(
    'left out  5 rows that cannot be used · a.jsonl:1: no · a.jsonl:2: no · a.jsonl:3: no · 2 more\n',
  )
  expect(text()).toContain(
    'cut       12 tokens beyond max_length · 1 answer lost the stop token · 2 answers lost · 1 example left out, all of whose answers lie there\n',
  )
  expect(text()).toContain('note      a.jsonl: the column id is not read\n')
})

test('tells rewards, what sources lose, and how a step is computed', () => {
  const { terminal, text } = screen(false)
  const view = createRunView(terminal)
  const metrics = (margin: number, right: number) => ({
    metrics: { 'rewards/margins': margin, 'rewards/accuracies': right, 'logps/chosen': -3 },
  })
  view.show({
    ...start,
    batch: {
      rows_per_step: 4,
      per_device_train_batch_size: 4,
      gradient_accumulation_steps: 1,
      tokens_per_pass: 608,
      activation_mib: 608,
      memory_mib: 1638,
      bound_by: 'container',
      resumed: false,
    },
  })
  view.show({ ...step(1), ...metrics(0.01, 0.5) })
  view.show({ ...step(2), ...metrics(0.25, 0.75) })
  const sources = { 'a.jsonl': { loss: 2, learned_tokens: 4 }, 'b.jsonl': { loss: 4, learned_tokens: 4 } }
  view.show({ ...evaluation(2, 0.9), ...metrics(0.2, 1), sources })
  view.show(end)
  view.close()
  for (const line of [
    'batch     4 rows a step · passes of at most 608 tokens, 608 MiB · 1,638 MiB there, by the limit of the container\n',
    'step 1/10  loss 3.7500  grad_norm 1.000  learning_rate 2.00e-4  margin 0.010  prefers the chosen 50.0%  500 tokens/s\n',
    'step 2 · loss 3.0000 · a.jsonl 2.0000 · b.jsonl 4.0000 · margin 0.200 · prefers the chosen 100.0% · stops',
    'loss 3.75 → 1.50 · margin 0.010 → 0.250 · prefers the chosen 50.0% → 75.0% · stops after an answer: 90.0% · 10 steps',
  ])
    expect(text()).toContain(line)
})
