import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { exportModel } from '../../src/export/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { trainSft } from '../../src/train/index.ts'

const assets = join(import.meta.dirname, '../../assets')
const model = join(assets, 'tiny-llama')
const folder = mkdtempSync(join(tmpdir(), 'fettle-certificate-'))
afterAll(() => rmSync(folder, { recursive: true }))

const rows = { evalData: join(assets, 'demo-eval.jsonl'), certificateRows: 2 }

test('a form that says what the live model says passes', async () => {
  const output = join(folder, 'same')
  const { certificate, certificatePaths } = await exportModel({
    model,
    format: 'safetensors',
    type: 'float32',
    output,
    ...rows,
  })
  expect(certificatePaths).toEqual({
    json: join(output, 'certificate.json'),
    page: join(output, 'certificate.html'),
  })
  expect(JSON.parse(readFileSync(certificatePaths.json, 'utf8'))).toEqual(certificate)
  const [form] = certificate.forms
  expect(certificate).toMatchObject({ verdict: 'passed', format: 'safetensors', adapter: null })
  expect(form).toMatchObject({ type: 'float32', same_answers: 2, agreement: 1, runtime: { isTarget: true } })
  expect(form.kl).toBeLessThan(1e-6)
  const [row] = form.rows
  expect(row.prompt_ids.length).toBeGreaterThan(3)
  expect(row.first_logits).toHaveLength(8)
  expect(row.live).toEqual(row.exported)
  expect(certificate.files.map(({ sha256 }) => sha256)).toEqual(
    certificate.files.map(() => expect.stringMatching(/^[0-9a-f]{64}$/)),
  )
  const page = readFileSync(certificatePaths.page, 'utf8')
  expect(page).toContain('passed')
  expect(page).not.toMatch(/<\|/)
})

test('one that is farther than the bound is set aside', async () => {
  const output = join(folder, 'far')
  const exported = exportModel({
    model,
    format: 'safetensors',
    type: 'float16',
    output,
    ...rows,
    certificateBound: 1e-30,
  })
  await expect(exported).rejects.toThrow(`${output}: a mean divergence of`)
  expect(existsSync(output)).toBe(false)
  expect(existsSync(join(`${output}.failed`, 'certificate.json'))).toBe(true)
})

test('a file that fails stays beside one that is there already', async () => {
  const home = join(folder, 'file')
  const [output, format, type] = [join(home, 'model.gguf'), 'gguf', 'q4_0'] as const
  const made = { model, format, type, output, python: 'no-python' }
  await exportModel(made)
  const before = readFileSync(output)
  const again = exportModel({ ...made, ...rows, overwrite: true, certificateBound: 1e-30 })
  await expect(again).rejects.toThrow(`It is kept as ${output}.failed`)
  expect(readFileSync(output).equals(before)).toBe(true)
  const names = ['certificate.html', 'certificate.json', 'model.gguf', 'model.gguf.failed']
  const failed = ['model.gguf.failed.certificate.html', 'model.gguf.failed.certificate.json']
  expect(readdirSync(home)).toEqual([...names, ...failed])
})

test('a form that does not stop where the live model stops', async () => {
  // What ends a turn by the template, and by nothing that runtimes read.
  const endless = join(folder, 'endless')
  cpSync(model, endless, { recursive: true })
  const edit = (name: string, change: object) => {
    const path = join(endless, name)
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...change }))
  }
  edit('config.json', { eos_token_id: 0 })
  edit('generation_config.json', { eos_token_id: 0 })
  const exported = exportModel({
    model: endless,
    format: 'safetensors',
    output: join(folder, 'goes-on'),
    ...rows,
  })
  await expect(exported).rejects.toThrow('goes on behind token')
})

test('the rows of the run that made an adapter, also in the adapter alone', async () => {
  const [run, here] = [join(folder, 'run'), join(assets, 'demo-eval.jsonl')]
  await using loaded = await AutoModelForCausalLM.fromPretrained(model)
  const tokenizer = await AutoTokenizer.fromPretrained(model)
  const training = trainSft({
    model: loaded,
    tokenizer,
    data: [here],
    outputDir: run,
    maxSteps: 1,
    valSize: 0.3,
    evalStrategy: 'no',
    saveSteps: 0,
    report: false,
    learningRate: 0.01,
  })
  for await (const event of training) if (event.type === 'end') expect(event.step).toBe(1)
  const exported = await exportModel({
    model,
    adapter: run,
    format: 'mlx-lora',
    output: join(folder, 'mlx'),
    python: 'no-python',
  })
  const { certificate } = exported
  expect(certificate).toMatchObject({ verdict: 'passed', rows_from: 'val_size' })
  const [form] = certificate.forms
  expect(form).toMatchObject({
    type: 'float32',
    same_answers: form.rows.length,
    runtime: { isTarget: false },
  })
  expect(form.rows.length).toBeGreaterThan(1)
  expect(form.kl).toBeLessThan(1e-6)
  expect(readFileSync(exported.certificatePaths.page, 'utf8')).toContain('rows that its run held out')
  const none = {
    model,
    adapter: run,
    format: 'safetensors',
    certificateRows: 0,
    output: join(folder, 'none'),
  } as const
  expect((await exportModel(none)).certificate.note).toBe('No rows were asked: --certificate-rows 0.')
})

test('a runtime of Python that does not take the form', async () => {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const python = join(bin, 'python3')
  writeFileSync(python, '#!/bin/sh\necho \'{"error":"RuntimeError: no such architecture"}\'\n', {
    mode: 0o755,
  })
  const output = join(folder, 'refused', 'model.gguf')
  const exported = exportModel({ model, format: 'gguf', output, ...rows, python })
  await expect(exported).rejects.toThrow(
    'an error: RuntimeError: no such architecture, as f16; expected a form that the runtime loads and runs',
  )
})

test('without rows, or a runtime, it says so', async () => {
  const { certificate } = await exportModel({ model, format: 'safetensors', output: join(folder, 'hashes') })
  expect(certificate).toMatchObject({
    verdict: 'not measured',
    forms: [],
    note: 'No evaluation rows were given: --eval-data FILE.',
  })
  expect(certificate.base.files.map(({ path }) => path)).toContain(join(model, 'model.safetensors'))
  const onnx = await exportModel({
    model,
    format: 'onnx',
    type: ['q8'],
    output: join(folder, 'onnx'),
    ...rows,
  })
  expect(onnx.certificate.forms).toMatchObject([
    { type: 'q8', runtime: null, verdict: 'not measured', kl: null },
  ])
})
