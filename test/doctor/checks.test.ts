import { describe, expect, it, test } from 'vitest'
import { checkNames, checks, diagnose, type CheckName, type DiagnoseInput } from '../../src/doctor/index.ts'
import { cases, furtherCases, healthy } from './cases.ts'
import { machine } from './patients.ts'

/** Diagnoses as lines, for one check alone. */
async function linesOf(input: DiagnoseInput, only: readonly CheckName[]): Promise<string[]> {
  const diagnoses = await diagnose({ machine, ...input, only })
  return diagnoses.map(({ severity, place, found, evidence }) =>
    [`${severity} ${place}: ${found}`, ...evidence.map(({ says = '' }) => says)].join('\n'),
  )
}

describe.each(checkNames)('%s', (name) => {
  const { fires, says, silent } = cases[name]

  it('speaks', async () => {
    const lines = await linesOf(await fires(), [name])
    expect(lines.join('\n')).toMatch(says)
  })

  it('is silent', async () => {
    expect(await linesOf(await silent(), [name])).toEqual([])
  })

  it('says what it looks for', () => {
    expect(checks[name].looksFor).not.toBe('')
  })
})

it.each(furtherCases)('%s (%s)', async (_, name, input, says) => {
  expect((await linesOf(await input(), [name])).join('\n')).toMatch(says)
})

test('nothing is found where nothing is wrong', async () => {
  expect(await linesOf(await healthy(), checkNames)).toEqual([])
})
