import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { planModel } from '../../src/export/gguf/write-model.ts'
import { messageOf } from '../../src/error.ts'
import { writeGguf, type GgufEntry } from '../../src/formats/index.ts'
import { openUnloaded, ropesOf, vocabularyOf } from '../../src/model/index.ts'
import { goldenModels, readTensors } from '../../test/model/golden.ts'
import { compareInLlama, continuedByFettle, runPython, type LlamaCompared } from './in-llama.ts'

/** A program that is built lies elsewhere than its source: from the project's folder, where run.sh goes. */
const fixture = (...path: string[]) => join('test', 'fixtures', 'models', ...path)

export interface FamilyCompared {
  model: string
  base?: LlamaCompared
  /** With an adapter in the weights. */
  adapted?: LlamaCompared
  refused?: string
}

/** Every family's small model as a GGUF file without a vocabulary, against what Transformers and PEFT recorded. */
export async function compareFamilies(python: string, out: string): Promise<FamilyCompared[]> {
  const results: FamilyCompared[] = []
  for (const model of goldenModels) {
    const result: FamilyCompared = { model }
    results.push(result)
    try {
      result.base = await compareFamily(python, out, model, undefined)
      result.adapted = await compareFamily(python, out, model, fixture(model, 'lora'))
    } catch (error) {
      result.refused = messageOf(error)
    }
  }
  for (const [model, changes] of Object.entries(published))
    results.push({
      model: `${model} as published`,
      base: await comparePublished(python, out, { model, changes }),
    })
  return results
}

/** Recorded models that llama.cpp does not compute, and what makes them like published ones. */
const published: Readonly<Record<string, Record<string, unknown>>> = {
  gemma4: {
    num_kv_shared_layers: 3,
    layer_types: [...Array(2)].flatMap(() => ['sliding_attention', 'sliding_attention', 'full_attention']),
  },
  'qwen3-5': { linear_value_head_dim: 8 },
}

async function comparePublished(
  python: string,
  out: string,
  { model, changes }: { model: string; changes: Record<string, unknown> },
): Promise<LlamaCompared> {
  const folder = join(out, `${model}-published`)
  const program = join('bench', 'export-check', 'published.py')
  await runPython(python, [program, fixture(model, 'config.json'), JSON.stringify(changes), folder])
  const { ids, logits } = JSON.parse(await readFile(join(folder, 'logits.json'), 'utf8')) as {
    ids: number[]
    logits: number[]
  }
  const { path } = await writeWithoutTokens(out, folder, undefined)
  const questions = { prompts: [ids], messages: [], texts: [], tokens: 1 }
  return compareInLlama(python, out, questions, [{ logits }], [path])
}

/** A model as a GGUF file without a vocabulary; `window` is one that llama.cpp does not have. */
async function writeWithoutTokens(
  out: string,
  folder: string,
  adapter: string | undefined,
): Promise<{ path: string; window: number | undefined; isOther: boolean }> {
  const model = await openUnloaded(folder, adapter)
  await model.merge()
  if (!model.gguf) throw new Error('no GGUF file is written of it')
  const { architecture, lost } = model.gguf
  const refused = lost.find(({ key }) => key !== 'sliding_window')
  if (refused) throw new Error(`refused: ${refused.key}, expected ${refused.expected}`)
  const { tensors, entries } = planModel(model, model.gguf, 'f32')
  const path = join(out, 'family.gguf')
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { type: 'string', value: architecture }],
    ...entries,
    ['tokenizer.ggml.model', { type: 'string', value: 'none' }],
    // Without tokens llama.cpp asks for their number.
    [`${architecture}.vocab_size`, { type: 'u32', value: vocabularyOf(model.architecture) }],
  ])
  await writeGguf(path, metadata, tensors)
  const isOther = ropesOf(model.architecture).some(
    ({ scaling }) =>
      (scaling.type === 'yarn' && !scaling.truncate) ||
      (scaling.type === 'longrope' && scaling.originalMaxPositions > 30),
  )
  await model.free()
  return { path, window: lost.length > 0 ? Number(model.config.raw['sliding_window']) : undefined, isOther }
}

/**
 * What llama.cpp computes otherwise in small models: yarn with rounded borders, and the factors for long texts in every context, which is of 256
 * tokens at least. So fettle is asked for that.
 */
async function compareRounded(
  python: string,
  out: string,
  { name, adapter, path }: { name: string; adapter: string | undefined; path: string },
): Promise<LlamaCompared> {
  const folder = join(out, 'rounded')
  await cp(fixture(name), folder, { recursive: true, force: true })
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as {
    rope_parameters: Record<string, unknown>
  }
  config.rope_parameters['truncate'] = true
  if (config.rope_parameters['rope_type'] !== 'yarn') delete config.rope_parameters['truncate']
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  const ids = Array.from({ length: 36 }, (_, i) => (i * 37 + 5) % 100)
  const [{ logits }] = await continuedByFettle(
    { model: folder, ...(adapter !== undefined && { adapter }) },
    { prompts: [ids], messages: [], texts: [], tokens: 1 },
  )
  const questions = { prompts: [ids], messages: [], texts: [], tokens: 1 }
  return compareInLlama(python, out, questions, [{ logits }], [path])
}

async function compareFamily(
  python: string,
  out: string,
  name: string,
  adapter: string | undefined,
): Promise<LlamaCompared> {
  const { path, window, isOther } = await writeWithoutTokens(out, fixture(name), adapter)
  if (isOther) return compareRounded(python, out, { name, adapter, path })
  const golden = await readTensors(fixture(name, 'golden.safetensors'))
  const [[ids], [mask]] = [await golden.rows('input_ids'), await golden.rows('attention_mask')]
  const [[prompt], [output]] = [await golden.rows('greedy.prompt'), await golden.rows('greedy.output')]
  const logits = await golden.floats(adapter === undefined ? 'logits' : 'lora.logits')
  const width = logits.length / (await golden.rows('input_ids')).flat().length
  const first = mask.indexOf(1)
  // Up to its length a window changes nothing.
  const last = Math.min(mask.lastIndexOf(1), first + (window ?? Number.POSITIVE_INFINITY) - 1)
  const questions = {
    prompts: [ids.slice(first, last + 1), prompt],
    messages: [],
    texts: [],
    tokens: output.length - prompt.length,
  }
  return compareInLlama(
    python,
    out,
    questions,
    [
      { logits: Array.from(logits.subarray(last * width, (last + 1) * width)) },
      adapter === undefined && window === undefined ? { greedy: output.slice(prompt.length) } : {},
    ],
    [path],
  )
}
