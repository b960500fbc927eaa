import type { RunEvents } from './run-events.ts'

/** A point of a curve: a step, and a number. */
export type Point = readonly [step: number, value: number]

/** The curves of one thing, one for each run that has it. */
export interface Chart {
  title: string
  /** Below the title, where it needs a word. */
  note?: string
  curves: readonly { run: number; label: string; points: readonly Point[]; isDashed?: boolean }[]
}

/** Points of a curve that are drawn. */
const mostPoints = 400

/** What is drawn of runs, each chart with the runs that have numbers for it. */
export function chartsOf(runs: readonly RunEvents[]): Chart[] {
  const ofSteps = (name: string) => (run: RunEvents) => pointsOf(run.steps, name)
  const ofEvaluations = (name: string) => (run: RunEvents) => pointsOf(run.evaluations, name)
  const charts: Chart[] = [
    lossChart(runs),
    chart('Perplexity of held-out data', runs, ofEvaluations('perplexity')),
    chart('Token accuracy of held-out data', runs, ofEvaluations('mean_token_accuracy')),
    stopChart(runs),
    chart('Learning rate', runs, ofSteps('learning_rate')),
    chart('Gradient norm', runs, ofSteps('grad_norm')),
    chart('Tokens a second', runs, ofSteps('tokens_per_second')),
    chart('Memory, most so far (MiB)', runs, ofSteps('peak_rss_mib')),
    ...metricNames(runs).map((name) =>
      chart(name, runs, (run) => {
        const found = run.steps.flatMap(({ step, metrics }): Point[] =>
          Number.isFinite(metrics?.[name]) ? [[step, Number(metrics?.[name])]] : [],
        )
        return thinned(found)
      }),
    ),
  ]
  return charts.filter(({ curves }) => curves.length > 0)
}

function lossChart(runs: readonly RunEvents[]): Chart {
  const curves = runs.flatMap((run, i) => [
    { run: i, label: `${run.name}: training`, points: pointsOf(run.steps, 'loss') },
    { run: i, label: `${run.name}: held-out`, points: pointsOf(run.evaluations, 'loss'), isDashed: true },
  ])
  return {
    title: 'Loss',
    note: 'Nats a token; dashed: held-out data.',
    curves: curves.filter(({ points }) => points.length > 0),
  }
}

function stopChart(runs: readonly RunEvents[]): Chart {
  const curves = runs.flatMap((run, i) => [
    { run: i, label: `${run.name}: at the end`, points: pointsOf(run.evaluations, 'stop_probability') },
    {
      run: i,
      label: `${run.name}: elsewhere`,
      points: pointsOf(run.evaluations, 'early_stop_probability'),
      isDashed: true,
    },
  ])
  return {
    title: 'Probability of the stop token',
    note: 'Where an answer ends; dashed: where it would cut one short.',
    curves: curves.filter(({ points }) => points.length > 0),
  }
}

function chart(
  title: string,
  runs: readonly RunEvents[],
  points: (run: RunEvents) => readonly Point[],
): Chart {
  const curves = runs.map((run, i) => ({ run: i, label: run.name, points: points(run) }))
  return { title, curves: curves.filter((curve) => curve.points.length > 0) }
}

function metricNames(runs: readonly RunEvents[]): string[] {
  const names = new Set(
    runs.flatMap(({ steps }) => steps.slice(0, 50).flatMap(({ metrics = {} }) => Object.keys(metrics))),
  )
  return [...names].slice(0, 24)
}

function pointsOf(events: readonly { step: number }[], name: string): Point[] {
  const points = events.flatMap((event): Point[] => {
    const value: unknown = Reflect.get(event, name)
    return typeof value === 'number' && Number.isFinite(value) ? [[event.step, value]] : []
  })
  return thinned(points)
}

/** At most `mostPoints`: each the mean of its neighbours. */
function thinned(points: readonly Point[]): Point[] {
  if (points.length <= mostPoints) return [...points]
  return Array.from({ length: mostPoints }, (_, i): Point => {
    const part = points.slice(
      Math.floor((i * points.length) / mostPoints),
      Math.floor(((i + 1) * points.length) / mostPoints),
    )
    const mean = (at: 0 | 1) => part.reduce((sum, point) => sum + point[at], 0) / part.length
    return [mean(0), mean(1)]
  })
}
