import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { exportModel } from '../../../src/export/index.ts'

const model = join(import.meta.dirname, '../../../assets/tiny-llama')
const folder = mkdtempSync(join(tmpdir(), 'fettle-onnx-export-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('a folder that Transformers.js loads: several types, weights beside the graphs, and all that belongs to them', async () => {
  const output = join(folder, 'site')
  const { type, files } = await exportModel({
    model,
    format: 'onnx',
    type: ['q4', 'q8'],
    output,
    maxShardBytes: 1_000_000,
  })
  expect(type).toBe('q4,q8')
  const read = (name: string) =>
    JSON.parse(readFileSync(join(output, name), 'utf8')) as Record<string, unknown>
  const data = (name: string) =>
    readdirSync(join(output, 'onnx')).filter((file) => file.startsWith(`${name}_data`))
  expect(data('model_q4.onnx')).toEqual(['model_q4.onnx_data', 'model_q4.onnx_data_1'])
  expect(read('config.json')).toMatchObject({
    model_type: 'llama',
    'transformers.js_config': {
      dtype: 'q4',
      use_external_data_format: {
        'model_q4.onnx': 2,
        'model_quantized.onnx': data('model_quantized.onnx').length,
      },
    },
  })
  // Transformers.js reads no chat_template.jinja.
  const template = readFileSync(join(model, 'chat_template.jinja'), 'utf8')
  expect(read('tokenizer_config.json')['chat_template']).toBe(template)
  expect(read('generation_config.json')['eos_token_id']).toBe(2)
  expect(files.map(({ path }) => path)).toContain(join(output, 'onnx', 'model_quantized.onnx'))
})

test.each([
  [['q5'], "type: 'q5'; expected some of f32, f16, q4, q4f16, q8 for the format onnx."],
  [[], 'type: 0 types; expected some of'],
] as const)('type %j', async (type, message) => {
  await expect(exportModel({ model, format: 'onnx', type, output: join(folder, 'none') })).rejects.toThrow(
    message.replaceAll("'", '"'),
  )
})
