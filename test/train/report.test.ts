import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { brailleCurves } from '../../src/cli/train/plot-curves.ts'
import { chartsOf, readRunEvents, reportPage } from '../../src/train/report/index.ts'
import { shortNumber } from '../../src/train/report/text.ts'
import { events } from './recorded-events.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-report-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function runOf(name: string, given: readonly object[] = events) {
  await mkdir(join(folder, name))
  const path = join(folder, name, 'events.jsonl')
  await writeFile(path, given.map((event) => `${JSON.stringify(event)}\n`).join(''))
  return path
}

describe('a run’s events', () => {
  it('of a run that went on are those that count', async () => {
    const path = await runOf('one', events.slice(0, -1))
    await appendFile(path, '{"type":"step","st')
    await appendFile(
      path,
      `\n${JSON.stringify({ ...events[0], first_step: 1 })}\n${JSON.stringify({ ...events[4], loss: 9 })}\n`,
    )
    const run = await readRunEvents(join(folder, 'one'))
    expect(run.steps.map(({ step, loss }) => [step, loss])).toEqual([
      [1, 3],
      [2, 9],
    ])
    expect(run.unread).toBe(1)
  })

  it('are missed by name', async () => {
    await expect(readRunEvents(folder)).rejects.toThrow(/no events.jsonl; expected the folder of a run/)
  })
})

describe('the report', () => {
  it('shows curves, data, mask and answers, with all text as text', async () => {
    await runOf('<i>one</i>'.replaceAll('/', '_'))
    const page = reportPage([await readRunEvents(join(folder, '<i>one<_i>'))])
    for (const shown of [
      'Loss',
      'Perplexity',
      'Learning rate',
      'Gradient norm',
      'Tokens a second',
      'Memory',
      'Lengths',
      'rewards/margins',
    ])
      expect(page).toContain(shown)
    expect(page).toContain('<mark>&lt;script&gt;alert(1)&lt;/script&gt;</mark>')
    expect(page).toContain('U+202E')
    expect(page).toContain('U+001B')
    expect(page).not.toMatch(/<script|<i>|<b>tiny|https?:\/\/|NaN/)
    for (const steering of ['\u202E', '\u001B']) expect(page).not.toContain(steering)
    expect(page).toContain("default-src 'none'")
    expect(page).toMatch(/before.*after/s)
  })

  it('puts several runs over each other', async () => {
    await runOf('one')
    await runOf('two')
    const runs = await Promise.all(['one', 'two'].map((name) => readRunEvents(join(folder, name))))
    const [loss] = chartsOf(runs)
    expect(loss.curves.map(({ label, isDashed = false }) => [label, isDashed])).toEqual([
      ['one: training', false],
      ['one: held-out', true],
      ['two: training', false],
      ['two: held-out', true],
    ])
    expect(reportPage(runs)).toContain('2 runs')
  })

  it('of a run with a single step, or none, is a page too', async () => {
    await runOf('none', events.slice(0, 1))
    await runOf('single', events.slice(0, 3))
    for (const name of ['none', 'single'])
      expect(reportPage([await readRunEvents(join(folder, name))])).not.toContain('NaN')
  })
})

describe('curves in the terminal', () => {
  const curve = Array.from({ length: 200 }, (_, i) => [i, 3 * Math.exp(-i / 50)] as const)

  it.each([40, 80, 120])('take %i columns and no more', (width) => {
    const lines = brailleCurves([curve, [[10, 1]]], width, 8, (text) => text)
    expect(lines).toHaveLength(9)
    for (const line of lines) expect([...line].length).toBeLessThanOrEqual(width)
    expect(lines[0]).toMatch(/^ +3 ┤⠉|^ *3 ┤/)
    expect(lines.at(-1)).toMatch(/^ +0 +199$/)
  })

  it('of one number are a dot', () => {
    expect(brailleCurves([[[1, 5]]], 40, 4, (text) => text).join('')).toMatch(/[\u2801-\u28FF]/)
  })
})

it.each([
  [0, '0'],
  [1234.5678, '1235'],
  [0.00012, '1.2e-4'],
  [123_456, '123.5k'],
  [-2.5e6, '-2.5M'],
])('%d is short: %s', (value, text) => expect(shortNumber(value)).toBe(text))
