import type { StartEvent } from '../events.ts'
import { chartsOf } from './curves.ts'
import type { RunEvents } from './run-events.ts'
import { style } from './style.ts'
import { barsSvg, chartSvg } from './svg.ts'
import { escapeHtml as text, shortNumber } from './text.ts'
import { plural } from '../../plural.ts'

/** Answers of a run that are shown, and characters of one. */
const [mostSamples, longestText] = [8, 4000]

/** The page of some runs: one file that needs nothing else, with every text of theirs escaped. */
export function reportPage(runs: readonly RunEvents[]): string {
  const title = runs.length === 1 ? runs[0].name : plural(runs.length, 'run')
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    // Whatever a text holds, nothing is fetched and nothing runs.
    `<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${text(title)} · fettle</title><style>${style}</style></head><body>`,
    `<h1>${text(title)}</h1>`,
    runs.length === 1 ? `<p class="dim">${text(headline(runs[0]))}</p>` : legend(runs),
    `<div class="grid-of">${chartsOf(runs)
      .map((chart) => card(chart.title, chartSvg(chart), chart.note))
      .join('\n')}</div>`,
    ...runs.map((run) => aboutRun(run, runs.length > 1)),
    '</body></html>\n',
  ].join('\n')
}

function legend(runs: readonly RunEvents[]): string {
  const rows = runs.map(
    (run, i) =>
      `<div><span class="key c${i % 8}"></span>${text(run.name)} <span class="dim">${text(headline(run))}</span></div>`,
  )
  return `<div style="margin:8px 0 16px">${rows.join('')}</div>`
}

function headline({ start, steps, end, evaluations }: RunEvents): string {
  const last = steps.at(-1)
  const held = evaluations.at(-1)
  const state =
    end === undefined ? 'not ended' : end.interrupted ? 'stopped' : (end.stopped_early ?? 'trained')
  return [
    ...(start ? [`${start.model} · ${start.engine} ${start.isa}`.trim()] : []),
    `${last?.step ?? 0} of ${start === undefined ? '? steps' : plural(start.steps, 'step')}, ${state}`,
    ...(last ? [`loss ${shortNumber(last.loss)}`] : []),
    ...(held ? [`held-out ${shortNumber(held.loss)}`] : []),
    ...(end?.best
      ? [`best ${end.best.metric} ${shortNumber(end.best.value)} after step ${end.best.step}`]
      : []),
  ].join(' · ')
}

function card(title: string, body: string, note?: string, wide = false): string {
  const below = note === undefined ? '' : `<p class="dim">${text(note)}</p>`
  return `<section class="card${wide ? ' wide' : ''}"><h2>${text(title)}</h2>${below}${body}</section>`
}

/** Data, an example with its mask, answers. */
function aboutRun(run: RunEvents, isOne: boolean): string {
  const { start } = run
  const cards = [
    ...(start ? [card('Tokens', ledger(start))] : []),
    ...(start?.length_histogram
      ? [
          card(
            'Lengths of the examples',
            barsSvg(
              'Examples by tokens',
              start.length_histogram.map(({ up_to, examples }) => ({
                label: `≤${shortNumber(up_to)}`,
                count: examples,
              })),
            ),
            'How many have so many tokens.',
          ),
        ]
      : []),
    ...(start?.masked_sample
      ? [
          card(
            'An example, and what is learned of it',
            `<pre>${start.masked_sample.map((part) => (part.learned ? `<mark>${text(part.text)}</mark>` : text(part.text))).join('')}</pre>`,
            start.masked_sample.length > 0 ? 'Marked: learned.' : undefined,
            true,
          ),
        ]
      : []),
    ...answers(run),
  ]
  if (cards.length === 0) return ''
  return `<h2 class="part">${isOne ? text(run.name) : 'Data and answers'}</h2><div class="grid-of">${cards.join('\n')}</div>`
}

function ledger(start: StartEvent): string {
  const rows: [string, number | undefined][] = [
    ['rows read', start.rows],
    ['rows left out', start.invalid_rows],
    ['examples', start.examples],
    ['tokens', start.tokens],
    ['of them learned', start.learned_tokens],
    ['tokens beyond max_length', start.truncated_tokens],
    ['answers that lost their stop token to it', start.truncated_stops],
    ['examples without learned tokens', start.examples_without_learned_tokens],
    ...Object.entries(start.spans ?? {}).map(([name, count]): [string, number] => [`answers ${name}`, count]),
    ['parameters', start.parameters],
    ['of them trained', start.trainable_parameters],
  ]
  const shown = rows.filter(([, value]) => typeof value === 'number')
  return `<table>${shown.map(([name, value]) => `<tr><td>${text(name)}</td><td class="number">${Number(value).toLocaleString('en-US')}</td></tr>`).join('')}</table>`
}

/** The first answers beside the last ones. */
function answers({ samples }: RunEvents): string[] {
  const first = samples.at(0)
  const last = samples.at(-1)
  if (!first || !last) return []
  const cut = (given: string) => (given.length > longestText ? `${given.slice(0, longestText)}…` : given)
  const cell = (sample: { text?: string; problem?: string } | undefined) =>
    `<pre>${text(cut(String(sample?.problem ?? sample?.text ?? '')))}</pre>`
  const rows = first.samples.slice(0, mostSamples).map((before, i) => {
    const after = last === first ? undefined : last.samples[i]
    return `<tr><td><pre>${text(cut(String(before.prompt)))}</pre></td><td>${cell(before)}</td><td>${after ? cell(after) : ''}</td></tr>`
  })
  const heads = ['prompt', `step ${first.step}`, last === first ? '' : `step ${last.step}`]
  const table = `<table><tr>${heads.map((head) => `<th>${text(head)}</th>`).join('')}</tr>${rows.join('')}</table>`
  return [card('Answers before and after', table, 'Greedy, cut at sample_max_new_tokens.', true)]
}
