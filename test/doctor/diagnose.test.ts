import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { applyFixes, diagnose } from '../../src/doctor/index.ts'
import { readJsonRecords } from '../../src/formats/index.ts'
import { adapterOf, chat, dataOf, goodRows, machine, modelOf, runOf } from './patients.ts'

const json = (folder: string, name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>

describe('diagnoses', () => {
  it('come worst first, and each says what, where, why and what to do', async () => {
    const model = await modelOf({
      generation: { eos_token_id: 597 },
      tokenizer: { config: { pad_token: '<|im_end|>', padding_side: 'right' } },
    })
    const diagnoses = await diagnose({ model, data: [dataOf([...goodRows, chat('Well?', '')])], machine })
    const severities = diagnoses.map(({ severity }) => severity)
    expect(severities).toEqual([
      ...severities.filter((severity) => severity === 'error'),
      ...severities.filter((severity) => severity === 'warning'),
      ...severities.filter((severity) => severity === 'note'),
    ])
    expect(new Set(severities).size).toBe(3)
    for (const diagnosis of diagnoses)
      for (const key of ['place', 'found', 'why', 'cure'] as const)
        expect(diagnosis[key], `${diagnosis.check}: ${key}`).not.toBe('')
  })

  it('show where in a row', async () => {
    const data = dataOf([...goodRows, chat('CafÃ©?', 'Yes.')])
    const [diagnosis] = await diagnose({ data: [data], machine, only: ['text-encoding'] })
    expect(diagnosis.place).toBe(`${data}:3`)
    expect(diagnosis.evidence[0].excerpt).toEqual({ before: 'Caf', marked: 'Ã©', after: '?' })
  })

  it('do not stop at a row that is refused', async () => {
    const model = await modelOf({ tokenizer: { name: 'spbpe-llama2' } })
    const refused = { messages: [{ role: 'system', content: 'No.' }, ...goodRows[0].messages] }
    const rows = [goodRows[0], refused, { columns: 'unknown' }, chat('Empty?', ' ')]
    const diagnoses = await diagnose({ model, data: [dataOf(rows)], machine })
    expect(diagnoses.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['readable', 'template-loses-messages', 'empty-answers']),
    )
  })

  it('take the data of a run file, with its columns, from where the run file is', async () => {
    const data = dataOf([
      { q: 'What?', a: 'This.' },
      { q: 'What?', a: 'This.' },
    ])
    const run = runOf(
      `model: ${await modelOf()}\ndata: [{ path: ${data}, columns: { input: q, output: a } }]\n`,
    )
    const diagnoses = await diagnose({ paths: [run], machine, only: ['readable', 'duplicates'] })
    expect(diagnoses.map(({ check }) => check)).toEqual(['duplicates'])
  })
})

describe('fixes', () => {
  it('make files in which the doctor finds no more of it', async () => {
    const model = await modelOf({
      config: { eos_token_id: 597 },
      generation: { eos_token_id: 597, temperature: 0.6 },
      tokenizer: { config: { pad_token: '<|im_end|>', padding_side: 'right', unk_token: '<|endoftext|>' } },
    })
    const diagnoses = await diagnose({ model, machine })
    const fixable = diagnoses.filter(({ fix }) => fix !== undefined)
    expect(fixable.map(({ check }) => check).toSorted()).toEqual([
      'pad-equals-eos',
      'padding-side',
      'stop-token-disagreement',
      'stop-token-in-generation-config',
    ])
    const applied = await applyFixes(diagnoses)
    expect(applied).toHaveLength(fixable.length)
    expect(json(model, 'generation_config.json')).toMatchObject({ temperature: 0.6 })
    expect(json(model, 'generation_config.json')['eos_token_id']).toContain(599)
    expect(json(model, 'tokenizer_config.json')).toMatchObject({
      pad_token: '<|endoftext|>',
      padding_side: 'left',
      eos_token: '<|im_end|>',
    })
    expect((await diagnose({ model, machine })).filter(({ fix }) => fix !== undefined)).toEqual([])
  })
})

it('does not change a base model for the sake of an adapter', async () => {
  const model = await modelOf({ generation: { eos_token_id: 597, top_p: 0.9 } })
  const adapter = await adapterOf(model, { tokenizer: {} })
  await applyFixes(await diagnose({ adapter, machine }))
  expect(json(model, 'generation_config.json')).toEqual({ eos_token_id: 597, top_p: 0.9 })
  expect(json(adapter, 'generation_config.json')).toEqual({ eos_token_id: 599, top_p: 0.9 })
})

it('reads this repository’s own demo without complaint about its format', async () => {
  const path = join(import.meta.dirname, '..', '..', 'assets', 'demo.jsonl')
  let rows = 0
  for await (const _ of readJsonRecords(path)) rows += 1
  expect(rows).toBeGreaterThan(0)
  expect(
    await diagnose({ data: [path], machine, only: ['readable', 'text-encoding', 'empty-answers'] }),
  ).toEqual([])
})
