import type { EvalEvent, StepEvent } from '../../train/index.ts'
import { percent } from '../terminal/numbers.ts'

type Told = Pick<StepEvent | EvalEvent, 'metrics' | 'sources'>

/** What a line of a run says besides the loss, by TRL's names, in this order; those that a method does not tell are left out. */
const shown: readonly (readonly [name: string, text: (value: number) => string])[] = [
  ['reward', (value) => `reward ${value.toFixed(3)}`],
  ['rewards/margins', (value) => `margin ${value.toFixed(3)}`],
  ['margin', (value) => `margin ${value.toFixed(3)}`],
  ['rewards/accuracies', (value) => `prefers the chosen ${percent(value)}`],
  ['accuracy', (value) => `prefers the chosen ${percent(value)}`],
  ['kl', (value) => `kl ${value.toFixed(3)}`],
  ['aux_loss', (value) => `aux loss ${value.toFixed(3)}`],
]

/** Rewards, margins and the like of a step or an evaluation, for people. */
export function metricTexts({ metrics = {} }: Told): string[] {
  return shown.flatMap(([name, text]) => {
    const value = metrics[name]
    return Number.isFinite(value) ? [text(value)] : []
  })
}

/** How the metrics changed from one step to another: `margin 0.012 → 0.345`. */
export function metricChanges(first: Told | undefined, last: Told | undefined): string[] {
  if (first === undefined || last === undefined) return []
  return shown.flatMap(([name, text]) => {
    const [before, after] = [first.metrics?.[name], last.metrics?.[name]]
    if (before === undefined || after === undefined || !Number.isFinite(before + after)) return []
    const value = / [^ ]+$/.exec(text(after))?.[0] ?? ''
    return [`${text(before)} →${value}`]
  })
}

/** The loss of each source of the data, where there are several. */
export function sourceTexts({ sources = {} }: Told): string[] {
  return Object.entries(sources).map(([name, { loss }]) => `${name} ${loss.toFixed(4)}`)
}
