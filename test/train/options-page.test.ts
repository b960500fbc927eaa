import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { optionFlags } from '../../src/train/options/option-flags.ts'
import { readRunOptions } from '../../src/train/options/read-options.ts'
import { runFileLayer } from '../../src/train/options/run-file-layer.ts'

const path = join(import.meta.dirname, '..', '..', 'docs', 'training.md')
const marks = [
  '<!-- options: written by test/train/options-page.test.ts -->',
  '<!-- end of options -->',
] as const

/** A row an option: key of the run file, default, what it does. */
function table(): string {
  const rows = optionFlags().map(({ key, default: fallback, options, description }) => {
    const shown = fallback === undefined || key === 'lora' ? '' : `\`${JSON.stringify(fallback)}\``
    const values = options ? ` One of ${options.join(', ')}.` : ''
    return `| \`${key}\` | ${shown} | ${(description + values).replaceAll('|', '\\|')} |`
  })
  return ['| option | default | |', '|---|---|---|', ...rows].join('\n')
}

test('the page about training lists every option of the schema (UPDATE=1 writes it)', () => {
  const page = readFileSync(path, 'utf8')
  const [before, rest] = page.split(marks[0])
  const [, after] = rest.split(marks[1])
  const expected = `${before}${marks[0]}\n${table()}\n${marks[1]}${after}`
  if (process.env['UPDATE'] === '1') writeFileSync(path, expected)
  expect(readFileSync(path, 'utf8')).toBe(expected)
})

test('its run file is one', () => {
  const [, text] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(path, 'utf8')) ?? []
  const options = readRunOptions([runFileLayer(text, 'run.yaml')])
  expect(options.lora?.r).toBe(16)
  expect(options.evalSteps).toBe(50)
})
