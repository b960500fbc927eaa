import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GgufFileType } from '../../src/export/gguf/file-types.ts'
import { planModel } from '../../src/export/gguf/write-model.ts'
import { openUnloaded } from '../../src/model/index.ts'
import { fixture } from '../model/golden.ts'

/** What llama.cpp's converter made: test/fixtures/export/record_gguf.py. */
interface Golden {
  metadata: Record<string, { type: string | [string]; value: unknown }>
  tensors: Record<string, { type: string; shape: number[]; sha256?: string; values?: string }>
}

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'export', 'gguf.json'), 'utf8'),
) as Record<string, Golden>

/** Names, and what the fixtures' config.json does not say. */
const ofFile =
  /^(general\.(architecture|type|name|size_label|basename|finetune|version)|tokenizer\.|general\.sampling)/

/** What fettle says beside the converter, which loses it: the fixture’s layers are not those that llama.cpp supposes. */
const added: Record<string, string[]> = { 'gemma3 f16': ['gemma3.attention.sliding_window_pattern'] }

/** What of a small model such a file cannot say: it is refused, but for a window. */
const lost: Record<string, string[]> = {
  'mistral f16': ['sliding_window'],
  'gemma2 f16': ['query_pre_attn_scalar'],
  'gemma4 f16': ['num_kv_shared_layers'],
  'starcoder2 f16': ['sliding_window'],
  'qwen3-5 f16': ['linear_value_head_dim'],
  'qwen2-moe f16': ['mlp_only_layers'],
}

const kinds: Record<string, string> = {
  u32: 'UINT32',
  i32: 'INT32',
  f32: 'FLOAT32',
  bool: 'BOOL',
  string: 'STRING',
}

async function bytesOf(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of data) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe.each(Object.entries(golden))('%s', (title, expected) => {
  const [name, type] = title.split(' ') as [string, GgufFileType]

  it('has the tensors and the keys of llama.cpp’s converter', async () => {
    const model = await openUnloaded(fixture(name), undefined, { engine: 'reference' })
    if (!model.gguf) throw new Error('no GGUF file is written')
    expect(model.gguf.lost.map(({ key }) => key)).toEqual(lost[title] ?? [])
    const { tensors, entries } = planModel(model, model.gguf, type)
    const compared = entries.filter(([key]) => !added[title]?.includes(key))
    const found = Object.fromEntries(
      compared.map(([key, entry]) => [
        key,
        {
          type: entry.type === 'list' ? [kinds[entry.of]] : kinds[entry.type],
          value: entry.type === 'f32' ? expect.closeTo(Number(entry.value), 5) : entry.value,
        },
      ]),
    )
    const wanted = Object.entries(expected.metadata).filter(([key]) => !ofFile.test(key))
    expect(Object.fromEntries(wanted.toSorted())).toEqual(
      Object.fromEntries(Object.entries(found).toSorted()),
    )
    expect(tensors.map((tensor) => tensor.name).toSorted()).toEqual(Object.keys(expected.tensors).toSorted())
    for (const tensor of tensors) {
      const theirs = expected.tensors[tensor.name]
      expect([tensor.name, tensor.type, tensor.shape]).toEqual([tensor.name, theirs.type, theirs.shape])
      const bytes = await bytesOf(tensor.data())
      if (theirs.values === undefined) {
        expect([tensor.name, createHash('sha256').update(bytes).digest('hex')]).toEqual([
          tensor.name,
          theirs.sha256,
        ])
        continue
      }
      const raw = Buffer.from(theirs.values, 'base64')
      for (let i = 0; i < raw.length; i += 4) {
        const number = raw.readFloatLE(i)
        expect(Math.abs(bytes.readFloatLE(i) - number), tensor.name).toBeLessThanOrEqual(
          1e-6 * Math.abs(number),
        )
      }
    }
  })
})
