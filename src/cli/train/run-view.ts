import type {
  EndEvent,
  EvalEvent,
  Sample,
  SourceFound,
  StartEvent,
  StepEvent,
  TrainEvent,
} from '../../train/index.ts'
import { count, duration, percent, short } from '../terminal/numbers.ts'
import { prepareView } from '../prepare/prepare-view.ts'
import { metricChanges, metricTexts, sourceTexts } from './run-metrics.ts'
import { bar, sparkline } from '../terminal/sparkline.ts'
import { createProgressLine, hang } from '../terminal/terminal.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

/** Shows a run as it goes: a progress line on a terminal, a line an event in a pipe. */
export interface RunView {
  show(event: TrainEvent): void
  /** A line of its own, above the progress line. */
  say(line: string): void
  /** The process goes on after it was stopped: the time in between is nobody's pace. */
  resumed(): void
  /** Takes the progress line away; call it when the run ends, however it does. */
  close(): void
}

const spinner = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
/** Metrics that have room in the progress line. */
const shownMetrics = 2
/** Steps that the speed is averaged over. */
const recentSteps = 20

/**
 * Reads the events of one run.
 *
 * @param lineEvery  in a pipe, one line for so many steps
 */
export function createRunView(terminal: Terminal, { lineEvery = 1 } = {}): RunView {
  const { paint, interactive } = terminal
  const line = createProgressLine(terminal)
  const losses: number[] = []
  let recent: StepEvent[] = []
  let start: StartEvent | undefined
  let frame = 0
  /** When the first and the latest step of this run ended: between them lies the pace. */
  let firstEnd: { step: number; time: number } | undefined
  let latestEnd = { step: 0, time: 0 }
  let firstStep: StepEvent | undefined
  /** Whether the step under way was stopped, so that its time says nothing. */
  let wasStopped = false
  let stopped: StepEvent | undefined
  let firstEval: EvalEvent | undefined
  let lastEval: EvalEvent | undefined
  const showPreparing = prepareView(terminal, line)
  const redraw = interactive ? setInterval(draw, 120).unref() : undefined

  return {
    show(event) {
      switch (event.type) {
        case 'prepare':
          showPreparing(event)
          break
        case 'start':
          line.clear()
          start = event
          for (const text of startLines(event)) done(...text)
          break
        case 'step':
          losses.push(event.loss)
          firstStep ??= event
          recent = [...recent.slice(1 - recentSteps), event]
          latestEnd = { step: event.step, time: performance.now() }
          firstEnd ??= latestEnd
          if (wasStopped) firstEnd = latestEnd
          if (wasStopped) stopped = event
          wasStopped = false
          if (interactive) draw()
          else if (event.step % lineEvery === 0) line.print(stepLine(event))
          break
        case 'eval':
          firstEval ??= event
          lastEval = event
          done('eval', evalText(event))
          break
        case 'sample':
          for (const sample of event.samples) done('sample', sampleText(event.step, sample))
          break
        case 'checkpoint':
          done('saved', `${event.path} ${paint.dim(`(step ${event.step})`)}`)
          break
        case 'end':
          line.clear()
          showEnd(event)
      }
    },
    say: (text) => line.print(text),
    resumed: () => (wasStopped = true),
    close() {
      clearInterval(redraw)
      line.clear()
    },
  }

  function done(title: string, text: string): void {
    line.print(hang(`${paint.green('✔')} ${paint.bold(title.padEnd(9))} `, text, terminal))
  }

  function draw(): void {
    const latest = recent.at(-1)
    if (start === undefined) return
    frame += 1
    const mark = paint.cyan(spinner[frame % spinner.length])
    const step = latest?.step ?? start.first_step
    const { filled, rest } = bar(step / start.steps, Math.max(5, Math.min(20, terminal.width - 90)))
    const parts = [
      `${mark} ${paint.bold('training'.padEnd(9))} step ${step}/${start.steps}`,
      `${paint.cyan(filled)}${paint.dim(rest)}`,
      ...(latest
        ? [
            `loss ${latest.loss.toFixed(2)} ${paint.cyan(sparkline(losses, 10))}`,
            ...metricTexts(latest).slice(0, shownMetrics),
            `${speed()} tokens/s`,
            timeLeft(step, start.steps),
          ]
        : []),
    ]
    line.show(parts.join('  '))
  }

  function stepLine(event: StepEvent): string {
    const { step, loss, grad_norm, learning_rate } = event
    const told = metricTexts(event).map((text) => `  ${text}`)
    const steps = start?.steps ?? step
    const left = timeLeft(step, steps)
    return `step ${step}/${steps}  loss ${loss.toFixed(4)}  grad_norm ${grad_norm.toFixed(3)}  learning_rate ${learning_rate.toExponential(2)}${told.join('')}  ${speed()} tokens/s${left === '' ? '' : `  ${left}`}`
  }

  /** Tokens a second over the recent steps. */
  function speed(): string {
    const others = recent.filter((event) => event !== stopped)
    const events = others.length > 0 ? others : recent
    const tokens = events.reduce((sum, event) => sum + event.tokens, 0)
    const seconds = events.reduce((sum, event) => sum + event.tokens / event.tokens_per_second, 0)
    return count(tokens / seconds)
  }

  /** From the pace of this run so far, evaluations and checkpoints included; the first step, which compiles, is not. */
  function timeLeft(step: number, steps: number): string {
    if (firstEnd === undefined || step <= firstEnd.step || step >= steps) return ''
    const pace = (latestEnd.time - firstEnd.time) / (latestEnd.step - firstEnd.step)
    const underWay = Math.min(pace, performance.now() - latestEnd.time)
    return `${duration(pace * (steps - step) - underWay)} left`
  }

  function showEnd({
    interrupted,
    step,
    loss,
    elapsed_ms,
    tokens_per_second,
    peak_rss_mib,
    output_dir,
    best,
    stopped_early,
  }: EndEvent): void {
    const from = losses[0]
    const change =
      from === undefined ? 'no step was left to do' : `loss ${from.toFixed(2)} → ${loss.toFixed(2)}`
    const stops = stopChange()
    const cost = `${plural(step, 'step')} in ${duration(elapsed_ms)}, ${count(tokens_per_second)} tokens/s, ${count(peak_rss_mib)} MiB at most`
    const title = interrupted ? 'stopped' : 'trained'
    const metrics = metricChanges(firstStep, recent.at(-1))
    done(title, [change, ...metrics, ...(stops === undefined ? [] : [stops]), cost].join(' · '))
    if (stopped_early !== undefined) done('ended', stopped_early)
    if (best?.loaded === true) done('best', `step ${best.step}, ${best.metric} ${best.value.toPrecision(4)}`)
    done('saved', output_dir)
  }

  function stopChange(): string | undefined {
    const before = firstEval?.stop_probability
    const after = lastEval?.stop_probability
    if (typeof after !== 'number') return undefined
    const earlier = typeof before === 'number' && firstEval !== lastEval ? `${percent(before)} → ` : ''
    return `stops after an answer: ${earlier}${percent(after)}`
  }
}

function startLines(event: StartEvent): [title: string, text: string][] {
  const { parameters, trainable_parameters, truncated_tokens } = event
  const share = `${short(trainable_parameters)} of them trained`
  const lines: [string, string][] = [
    ['model', `${event.model} · ${short(parameters)} parameters, ${share} · ${event.dtype}`],
    [
      'data',
      `${plural(event.examples, 'example')}${event.rows === event.examples ? '' : ` of ${plural(event.rows, 'row')}`} · ${count(event.tokens)} tokens, ${count(event.learned_tokens)} learned`,
    ],
    ...event.sources.map((source): [string, string] => ['source', sourceText(source, event.sources)]),
    ['masks', maskText(event)],
    [
      'engine',
      `${event.engine}${event.isa === '' ? '' : ` · ${event.isa}`} · ${plural(event.threads, 'thread')}`,
    ],
  ]
  if (event.invalid_rows > 0) lines.push(['left out', invalidText(event)])
  const gone = goneText(event)
  if (gone !== undefined) lines.push(['left out', gone])
  if (event.held_out > 0) lines.push(['held out', `${plural(event.held_out, 'row')} for evaluation`])
  if (truncated_tokens > 0) lines.push(['cut', cutText(event)])
  if (event.batch !== undefined) lines.push(['batch', batchText(event.batch)])
  if (event.first_step > 0) lines.push(['resumed', `after step ${event.first_step} of ${event.steps}`])
  lines.push(...[...event.data_notes, ...(event.notes ?? [])].map((text): [string, string] => ['note', text]))
  return lines
}

/** How a source was read. */
function sourceText(
  { name, format, weight, columns_read }: SourceFound,
  all: readonly SourceFound[],
): string {
  const sum = all.reduce((total, source) => total + (source.weight ?? 0), 0)
  const columns = Object.entries(columns_read).map(([file, ours]) =>
    file === ours ? file : `${file} as ${ours}`,
  )
  return [
    name,
    ...(format === null ? [] : [`format ${format}`]),
    ...(columns.length === 0 ? [] : [`reads ${columns.join(', ')}`]),
    ...(weight === undefined ? [] : [`${percent(weight / sum)} of the rows`]),
  ].join(' · ')
}

/** Rows that were left out although they could be used. */
function goneText({ duplicates, mapped_away: mappedAway }: StartEvent): string | undefined {
  const parts = [
    ...(duplicates > 0 ? [plural(duplicates, 'duplicate')] : []),
    ...(mappedAway > 0 ? [`${plural(mappedAway, 'row')} by map`] : []),
  ]
  return parts.length === 0 ? undefined : parts.join(' · ')
}

/** Rows that a list shows; the events have more. */
const shownRows = 3

/** Rows that cannot be used, and why the first of them cannot. */
function invalidText({ invalid_rows: rows, invalid }: StartEvent): string {
  const shown = invalid.slice(0, shownRows).map(({ place, reason }) => `${place}: ${reason}`)
  const more = rows - shown.length
  return [
    `${plural(rows, 'row')} that cannot be used`,
    ...shown,
    ...(more > 0 ? [`${count(more)} more`] : []),
  ].join(' · ')
}

/** How a step is computed, where that was found from the memory. */
function batchText(batch: NonNullable<StartEvent['batch']>): string {
  const { per_device_train_batch_size: rows, gradient_accumulation_steps: accumulated } = batch
  const { bound_by: bound, memory_mib: memory } = batch
  return [
    `${plural(batch.rows_per_step, 'row')} a step${accumulated === 1 ? '' : `, ${accumulated} × ${rows}`}`,
    `passes of at most ${plural(batch.tokens_per_pass, 'token')}, ${count(batch.activation_mib)} MiB`,
    batch.resumed
      ? 'as before'
      : `${count(memory)} MiB there${bound === 'machine' ? '' : `, by the limit of the ${bound}`}`,
  ].join(' · ')
}

/** What truncation took. */
function cutText(event: StartEvent): string {
  const { truncated_tokens, truncated_stops, truncated_answers, truncated_examples } = event
  return [
    `${plural(truncated_tokens, 'token')} beyond max_length`,
    `${plural(truncated_stops, 'answer')} lost the stop token`,
    ...(truncated_answers > 0 ? [`${plural(truncated_answers, 'answer')} lost`] : []),
    ...(truncated_examples > 0
      ? [`${plural(truncated_examples, 'example')} left out, all of whose answers lie there`]
      : []),
  ].join(' · ')
}

/** How sure the borders of the answers are. */
function maskText({ spans, examples_without_learned_tokens }: StartEvent): string {
  const answers = Object.values(spans).reduce((sum, number) => sum + number, 0)
  const found = Object.entries(spans).filter(([, number]) => number > 0)
  const idle = examples_without_learned_tokens
  return [
    plural(answers, 'answer'),
    ...found.map(([status, number]) => `${count(number)} ${status}`),
    ...(idle > 0 ? [`${plural(idle, 'example')} had nothing to learn`] : []),
  ].join(' · ')
}

/** The end of a prompt, and how the answer begins. */
function sampleText(step: number, { prompt, text, problem }: Sample): string {
  const oneLine = (given: string) => given.replaceAll(/\s+/g, ' ').trim()
  const [asked, answered] = [oneLine(prompt).slice(-40), oneLine(text).slice(0, 60)]
  return `step ${step} · …${asked} → ${problem === undefined ? answered : `no answer: ${problem}`}`
}

function evalText(event: EvalEvent): string {
  const { step, loss, mean_token_accuracy: accuracy, stop_probability, early_stop_probability } = event
  const parts = [`step ${step}`, `loss ${loss.toFixed(4)}`, ...sourceTexts(event), ...metricTexts(event)]
  if (accuracy !== undefined) parts.push(`${percent(accuracy)} of the tokens right`)
  if (stop_probability !== null) parts.push(`stops after an answer ${percent(stop_probability)}`)
  if (early_stop_probability !== null) parts.push(`too early ${percent(early_stop_probability)}`)
  return parts.join(' · ')
}
