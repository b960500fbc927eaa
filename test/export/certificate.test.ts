import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { exportModel } from '../../src/export/index.ts'

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
