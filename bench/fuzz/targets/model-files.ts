import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSafetensorsHeader, writeSafetensors } from '../../../src/formats/index.ts'
import { AutoModelForCausalLM, AutoTokenizer } from '../../../src/index.ts'
import { mutateBytes } from '../mutate/bytes.ts'
import { mutateJson } from '../mutate/json.ts'
import type { Random } from '../mutate/random.ts'
import { mutateText } from '../mutate/text.ts'
import { fileTarget } from './file-target.ts'
import { digest, fixture } from './seeds.ts'

const families = ['llama', 'llama-tied-rope3', 'mistral', 'qwen2', 'qwen3', 'smollm3'].map((name) =>
  fixture(`models/${name}`),
)
const ids = [1, 5, 9, 2, 7, 3]

async function loadAndForward(path: string, adapter?: string): Promise<string> {
  const model = await AutoModelForCausalLM.fromPretrained(path, { dtype: 'float32' })
  try {
    if (adapter !== undefined) await model.loadAdapter(adapter)
    const { logits } = await model.forward({ inputIds: [ids] })
    return digest(logits.data)
  } finally {
    await model.free()
  }
}

/** A JSON file mutated as JSON, and one time in eight as bytes. */
export function mutateJsonFile(random: Random, bytes: Uint8Array): Uint8Array | string {
  return random.next() < 0.125
    ? mutateBytes(random, bytes, bytes.length)
    : mutateJson(random, Buffer.from(bytes).toString())
}

/** The header as JSON with its length right, or bytes anywhere. */
function mutateSafetensors(random: Random, bytes: Uint8Array): Uint8Array {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  if (random.next() < 0.4) return mutateBytes(random, bytes, 8 + length)
  const text = Buffer.from(bytes.subarray(8, 8 + length)).toString()
  const header = Buffer.from(
    random.next() < 0.8
      ? mutateJson(random, text)
      : mutateText(random, text, [
          'F32',
          'BF16',
          'I64',
          'U64',
          'F8_E4M3',
          '"',
          '[',
          ']',
          '0',
          ',',
          '{',
          '}',
          ' ',
          '-1',
        ]),
  )
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([size, header, bytes.subarray(8 + length)])
}

export const safetensors = fileTarget({
  name: 'safetensors',
  seeds: families.slice(0, 3),
  file: 'model.safetensors',
  mutate: mutateSafetensors,
  use: loadAndForward,
  judged: 'safetensors',
})

export const index = fileTarget({
  name: 'index',
  seeds: families.slice(0, 1),
  file: 'model.safetensors.index.json',
  mutate: mutateJsonFile,
  use: loadAndForward,
  async prepare(folder) {
    const path = join(folder, 'model.safetensors')
    const bytes = await readFile(path)
    const tensors = [...(await readSafetensorsHeader(path)).tensors.values()]
    const weightMap: Record<string, string> = {}
    for (const [i, half] of [tensors.slice(0, 9), tensors.slice(9)].entries()) {
      const file = `model-0000${i + 1}-of-00002.safetensors`
      for (const { name } of half) weightMap[name] = file
      await writeSafetensors(
        join(folder, file),
        half.map(({ offset, byteLength, ...tensor }) => ({
          ...tensor,
          data: bytes.subarray(offset, offset + byteLength),
        })),
      )
    }
    await rm(path)
    await writeFile(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap }),
    )
  },
})

export const config = fileTarget({
  name: 'config',
  seeds: families,
  file: 'config.json',
  mutate: mutateJsonFile,
  use: loadAndForward,
})

export const generationConfig = fileTarget({
  name: 'generation-config',
  seeds: families.slice(0, 1),
  file: 'generation_config.json',
  mutate: mutateJsonFile,
  async use(folder) {
    const model = await AutoModelForCausalLM.fromPretrained(folder, { dtype: 'float32' })
    try {
      const pieces: number[] = []
      for await (const piece of model.stream({ inputIds: [ids] })) {
        pieces.push(...piece.tokenIds)
        if (pieces.length >= 8) break
      }
      return pieces.join()
    } finally {
      await model.free()
    }
  },
})

export const gguf = fileTarget({
  name: 'gguf',
  seeds: [fixture('gguf-models')],
  file: 'llama-31.gguf',
  mutate: (random, bytes) => mutateBytes(random, bytes, 12_000),
  use: (folder) => loadAndForward(join(folder, 'llama-31.gguf')),
})

export const ggufTokenizer = fileTarget({
  name: 'gguf-tokenizer',
  seeds: [fixture('tokenizers/gguf')],
  file: 'llama.gguf',
  mutate: (random, bytes) => mutateBytes(random, bytes, bytes.length),
  async use(folder) {
    const tokenizer = await AutoTokenizer.fromPretrained(join(folder, 'llama.gguf'))
    const { inputIds } = await tokenizer.encode('Hello wörld, 12 🙂  apples\n\nend')
    return `${inputIds.join()} ${tokenizer.decode(inputIds)}`
  },
})

const adapterOn = (base: string) => (folder: string) => loadAndForward(base, folder)

export const adapterConfig = fileTarget({
  name: 'adapter-config',
  seeds: [fixture('models/llama/lora')],
  file: 'adapter_config.json',
  mutate: mutateJsonFile,
  use: adapterOn(fixture('models/llama')),
})

export const adapter = fileTarget({
  name: 'adapter',
  seeds: [fixture('models/llama/lora')],
  file: 'adapter_model.safetensors',
  mutate: mutateSafetensors,
  use: adapterOn(fixture('models/llama')),
  judged: 'safetensors',
})
