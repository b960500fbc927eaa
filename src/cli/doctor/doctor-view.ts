import type { Evidence, Diagnosis, NumericResult, Severity } from '../../doctor/index.ts'
import { withCommands } from '../command-line.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { wrap } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

type Paint = Terminal['paint']

const colours: Record<Severity, (paint: Paint) => (text: string) => string> = {
  error: (paint) => paint.red,
  warning: (paint) => paint.yellow,
  note: (paint) => paint.cyan,
}

/** Line breaks and tabs as signs, so that an excerpt stays on its line. */
function visible(text: string): string {
  return text.replaceAll('\n', '↵').replaceAll('\t', '→')
}

function showEvidence({ place, token, says, excerpt }: Evidence, paint: Paint): string {
  const marked = excerpt && visible(excerpt.marked)
  const text =
    excerpt &&
    `${paint.dim(visible(excerpt.before))}${paint.isColorSupported ? paint.bold(paint.magenta(marked ?? '')) : `⟦${marked}⟧`}${paint.dim(visible(excerpt.after))}`
  return [place && paint.dim(place), token && paint.magenta(visible(token)), says, text]
    .filter(Boolean)
    .join('  ')
}

/** A diagnosis for people: what, where, evidence, why it hurts, and the cure. */
export function showDiagnosis(
  { severity, check, place, found, evidence, why, cure, fix }: Diagnosis,
  { paint, width }: Terminal,
): string {
  const paragraph = (label: string, text: string) =>
    wrap(text, Math.max(30, width - 8)).map((line, i) => `  ${i === 0 ? label.padEnd(5) : '     '} ${line}`)
  return [
    `${colours[severity](paint)(severity)} ${paint.bold(place)}: ${found} ${paint.dim(`(${check})`)}`,
    ...evidence.map((item) => `        ${showEvidence(item, paint)}`),
    ...paragraph('why', why),
    ...paragraph('cure', withCommands(cure)),
    ...(fix ? paragraph('fix', `--fix makes it so that ${fix.describe} in ${fix.file}.`) : []),
    '',
  ].join('\n')
}

/** A numeric test for people. */
export function showNumeric(
  { test, passed, difference, tolerance, compares }: NumericResult,
  { paint }: Terminal,
): string {
  const number = (value: number) => (value === 0 ? '0' : value.toExponential(1))
  const verdict = passed ? paint.green('passed') : paint.red('FAILED')
  return `${verdict} ${paint.bold(test)}: difference ${number(difference)}, tolerance ${number(tolerance)}\n       ${paint.dim(compares)}`
}

/** `2 errors, 1 warning`. */
export function summarise(diagnoses: readonly Diagnosis[]): string {
  const parts = (['error', 'warning', 'note'] as const).flatMap((severity) => {
    const count = diagnoses.filter((diagnosis) => diagnosis.severity === severity).length
    return count === 0 ? [] : [plural(count, severity)]
  })
  return parts.length === 0 ? 'nothing found' : parts.join(', ')
}
