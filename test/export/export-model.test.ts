import { cpSync, existsSync, linkSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import { exportModel, type ExportOptions } from '../../src/export/index.ts'
import { readSafetensorsHeader } from '../../src/formats/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'

const tiny = join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama')
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-export-'))
const engine = 'reference'

/** Of tiny-llama, with numbers in it. */
async function makeAdapter(): Promise<string> {
  const model = await AutoModelForCausalLM.fromPretrained(tiny, { engine, dtype: 'float32' })
  await model.addAdapter({ r: 2, targetModules: ['q_proj', 'down_proj'], initLoraWeights: false })
  const folder = temporary()
  await model.saveAdapter(folder)
  return folder
}

test('safetensors: a folder as merging saves it', async () => {
  const adapter = await makeAdapter()
  const output = join(temporary(), 'merged')
  const seen: number[] = []
  const result = await exportModel({
    model: tiny,
    adapter,
    format: 'safetensors',
    type: 'float32',
    output,
    engine,
    onProgress: ({ tensors }) => seen.push(tensors),
  })
  const model = await AutoModelForCausalLM.fromPretrained(tiny, { engine })
  await model.loadAdapter(adapter)
  await model.mergeAdapter()
  const expected = temporary()
  await model.save(expected, { dtype: 'float32' })
  const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'))
  expect(weights(output).equals(weights(expected))).toBe(true)
  expect(result.files.map(({ path }) => path)).toEqual(
    readdirSync(output)
      .toSorted()
      .map((name) => join(output, name)),
  )
  expect(readdirSync(output)).toContain('tokenizer.json')
  expect(seen).toEqual(seen.map((_, i) => i))
})

test('safetensors: above a size in several files, which load as one', async () => {
  const output = join(temporary(), 'shards')
  const { files } = await exportModel({
    model: tiny,
    format: 'safetensors',
    output,
    engine,
    maxShardBytes: 1e6,
  })
  expect(files.filter(({ path }) => /model-\d{5}-of-\d{5}\.safetensors$/.test(path)).length).toBeGreaterThan(
    2,
  )
  const index = JSON.parse(readFileSync(join(output, 'model.safetensors.index.json'), 'utf8')) as {
    weight_map: Record<string, string>
  }
  const { tensors } = await readSafetensorsHeader(join(tiny, 'model.safetensors'))
  expect(Object.keys(index.weight_map)).toEqual([...tensors.keys()].toSorted())
  const model = await AutoModelForCausalLM.fromPretrained(output, { engine })
  expect(model.parameterCount).toBe(
    (await AutoModelForCausalLM.fromPretrained(tiny, { engine })).parameterCount,
  )
})

const wrong: [string, (folder: string) => Partial<ExportOptions>, string][] = [
  ['an unknown format', () => ({ format: 'pickle' as never }), 'exportModel: format'],
  ['a type of another format', () => ({ type: 'q4_0' }), 'type: "q4_0"; expected stored'],
  ['a model that is not there', () => ({ model: 'no/such/folder' }), 'model no/such/folder: no such file'],
  ['the folder that is read', () => ({ output: tiny }), 'what is read'],
  ['a folder with files', (folder) => ({ output: folder }), 'a folder with files in it'],
]

it.each(wrong)('refuses %s', async (_, options, message) => {
  const folder = temporary()
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  const output = join(folder, 'out')
  await expect(
    exportModel({ model: tiny, format: 'safetensors', output, engine, ...options(folder) }),
  ).rejects.toThrow(message)
  expect(readdirSync(folder)).toEqual(['notes.txt'])
})

test('a file that is read is not replaced, by whatever name', async () => {
  const folder = temporary()
  const path = join(folder, 'model.gguf')
  await exportModel({ model: tiny, format: 'gguf', output: path, engine, certificateRows: 0 })
  // As a name in another case on Windows and macOS.
  linkSync(path, join(folder, 'MODEL.gguf'))
  const before = readFileSync(path)
  const output = join(folder, 'MODEL.gguf')
  await expect(
    exportModel({ model: path, format: 'gguf', type: 'f32', output, engine, overwrite: true }),
  ).rejects.toThrow('what is read')
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('with overwrite other files stay', async () => {
  const output = temporary()
  writeFileSync(join(output, 'notes.txt'), 'mine')
  await exportModel({ model: tiny, format: 'safetensors', output, engine, overwrite: true })
  expect(readdirSync(output)).toEqual(expect.arrayContaining(['notes.txt', 'model.safetensors']))
})

test('one that is stopped leaves nothing', async () => {
  const folder = temporary()
  const controller = new AbortController()
  const output = join(folder, 'out')
  const stopped = exportModel({
    model: tiny,
    format: 'safetensors',
    output,
    engine,
    signal: controller.signal,
    onProgress: ({ tensors }) => tensors === 3 && controller.abort(),
  })
  await expect(stopped).rejects.toThrow('aborted')
  expect(readdirSync(folder)).toEqual([])
})

test('one that fails leaves what was there', async () => {
  const model = temporary()
  cpSync(tiny, model, { recursive: true })
  writeFileSync(
    join(model, 'model.safetensors'),
    readFileSync(join(tiny, 'model.safetensors')).subarray(0, 50_000),
  )
  const output = join(temporary(), 'out')
  await expect(exportModel({ model, format: 'safetensors', output, engine })).rejects.toThrow(
    'The file is incomplete',
  )
  expect(existsSync(output)).toBe(false)
})

/** A folder of tiny-llama, or of an adapter, one of whose weights is no number. */
function withOneWrong(source: string, name: string, tensor: RegExp, bytes: readonly number[]): string {
  const folder = temporary()
  cpSync(source, folder, { recursive: true })
  const path = join(folder, name)
  const file = readFileSync(path)
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { data_offsets: number[] }
  >
  const [, found] = Object.entries(header).find(([key]) => tensor.test(key)) ?? []
  Buffer.from(bytes).copy(file, 8 + length + (found?.data_offsets[0] ?? Number.NaN))
  writeFileSync(path, file)
  return folder
}

test.each<ExportOptions['format']>(['safetensors', 'gguf', 'ollama', 'onnx', 'mlx'])(
  '%s: weights that are NaN or infinite are refused by name, and nothing is written',
  async (format) => {
    const infinity = [0x80, 0x7f]
    const model = withOneWrong(tiny, 'model.safetensors', /layers\.1\.mlp\.down_proj/, infinity)
    const parent = temporary()
    const output = join(parent, format === 'gguf' ? 'out.gguf' : 'out')
    await expect(exportModel({ model, format, output, engine })).rejects.toThrow(
      /tensor model\.layers\.1\.mlp\.down_proj\.weight: Infinity; expected finite numbers\. fettle doctor counts them/,
    )
    expect(readdirSync(parent)).toEqual([])
  },
)

test.each<ExportOptions['format']>(['gguf-lora', 'mlx-lora', 'safetensors'])(
  '%s: so are those of an adapter',
  async (format) => {
    const nan = [0, 0, 0xc0, 0x7f]
    const adapter = withOneWrong(await makeAdapter(), 'adapter_model.safetensors', /q_proj\.lora_B/, nan)
    const parent = temporary()
    const output = join(parent, format === 'gguf-lora' ? 'out.gguf' : 'out')
    await expect(exportModel({ model: tiny, adapter, format, output, engine })).rejects.toThrow(
      /q_proj\.lora_B(\.weight)?: NaN; expected finite numbers/,
    )
    expect(readdirSync(parent)).toEqual([])
  },
)
