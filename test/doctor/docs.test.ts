import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { checkNames, checks } from '../../src/doctor/index.ts'

it('the page about the doctor lists every check', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'doctor.md'), 'utf8')
  const rows = checkNames.map((name) => `| \`${name}\` | ${checks[name].looksFor} |`)
  expect(page).toContain(rows.join('\n'))
})
