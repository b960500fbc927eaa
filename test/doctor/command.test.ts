import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, expect, it, vi } from 'vitest'
import { doctor } from '../../src/cli/doctor/doctor.ts'
import { chat, dataOf, goodRows, modelOf } from './patients.ts'

/** Runs the command; what it prints and its exit code. */
async function run(...rawArguments: string[]): Promise<{ text: string; code: number }> {
  let text = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  const code = await doctor.execute(rawArguments)
  vi.restoreAllMocks()
  return { text: stripVTControlCharacters(text), code }
}

afterEach(() => void vi.restoreAllMocks())

it('says once that a file cannot be read, whoever opens it', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'fettle-doctor-')), 'broken.gguf')
  writeFileSync(path, 'hello')
  const { text, code } = await run(path)
  expect(text.split(`error ${path}: `)).toHaveLength(2)
  expect(code).toBe(1)
})

it('prints diagnoses worst first and exits with 1 on errors', async () => {
  const model = await modelOf({ generation: { eos_token_id: 597 } })
  const { text, code } = await run(model, dataOf([...goodRows, chat('Well?', ' ')]))
  expect(code).toBe(1)
  expect(text.indexOf('error ')).toBe(0)
  expect(text.indexOf('(empty-answers)')).toBeGreaterThan(text.indexOf('(stop-token-in-generation-config)'))
  expect(text).toMatch(/1 error, 1 warning\n$/)
})

it('exits with 0 where nothing is wrong', async () => {
  expect(await run('--model', await modelOf(), '--data', dataOf(goodRows))).toEqual({
    text: 'nothing found\n',
    code: 0,
  })
})

it('prints a line of JSON for each diagnosis, test and fix', async () => {
  const model = await modelOf({ generation: { eos_token_id: 597 } })
  const { text, code } = await run('--model', model, '--json', '--fix', '--numeric', '--engine', 'reference')
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines[0]).toMatchObject({
    type: 'finding',
    check: 'stop-token-in-generation-config',
    severity: 'error',
    fix: { file: join(model, 'generation_config.json') },
  })
  expect(lines.filter(({ type }) => type === 'numeric').map(({ passed }) => passed)).toEqual(
    Array.from({ length: 5 }, () => true),
  )
  expect(lines.at(-1)).toMatchObject({ type: 'fixed' })
  // What was an error is cured.
  expect(code).toBe(0)
  expect(readFileSync(join(model, 'generation_config.json'), 'utf8')).toContain('599')
})

it('asks for something to look at', async () => {
  await expect(doctor.execute([])).rejects.toThrow('nothing to look at')
})
