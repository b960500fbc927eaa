import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storages, type StorageName } from '../../src/export/onnx/storage.ts'
import { translateProgram } from '../../src/export/onnx/translate-program.ts'
import { writeModel } from '../../src/export/onnx/write-model.ts'
import { messageOf } from '../../src/error.ts'
import { openUnloaded } from '../../src/model/index.ts'
import { goldenModels, maxDifference, readTensors, type GoldenTensors } from '../../test/model/golden.ts'
import { continueGreedily, runPass } from './run-session.ts'
import type { Ort } from './runtimes.ts'

/** A program that is built lies elsewhere than its source: from the project's folder, where run.sh goes. */
const fixture = (...path: string[]) => join('test', 'fixtures', 'models', ...path)

/** How far a file's logits are from those that Transformers recorded. */
export interface FamilyResult {
  model: string
  type: StorageName
  /** Of logits of up to 8: rows padded on the right, on the left, and with an adapter in the weights. */
  right: number
  left: number
  adapter: number
  /** Whether 20 greedy tokens, one at a time, are the same. */
  isGreedyEqual: boolean
  refused?: string
}

/** Every family's small model, in onnxruntime. */
export async function checkFamilies(ort: Ort, types: readonly StorageName[]): Promise<FamilyResult[]> {
  const results: FamilyResult[] = []
  for (const model of goldenModels)
    for (const type of types) results.push(await checkFamily(ort, model, type))
  return results
}

async function checkFamily(ort: Ort, model: string, type: StorageName): Promise<FamilyResult> {
  const folder = await mkdtemp(join(tmpdir(), 'fettle-onnx-'))
  const result: FamilyResult = { model, type, right: NaN, left: NaN, adapter: NaN, isGreedyEqual: false }
  try {
    const golden = await readTensors(fixture(model, 'golden.safetensors'))
    const ids = await golden.rows('input_ids')
    const mask = await golden.rows('attention_mask')
    const session = await sessionOf(ort, folder, model, undefined, type)
    result.right = await differenceOf(golden, 'logits', mask, (await runPass(ort, session, ids, mask)).logits)
    if (golden.names.includes('left.logits')) {
      const leftMask = await golden.rows('left.attention_mask')
      const { logits } = await runPass(ort, session, await golden.rows('left.input_ids'), leftMask)
      result.left = await differenceOf(golden, 'left.logits', leftMask, logits)
    }
    const [prompt] = await golden.rows('greedy.prompt')
    const [expected] = await golden.rows('greedy.output')
    const continued = await continueGreedily(ort, session, prompt, expected.length - prompt.length)
    result.isGreedyEqual = continued.join() === expected.join()
    await session.release()
    const adapted = await sessionOf(ort, folder, model, fixture(model, 'lora'), type)
    result.adapter = await differenceOf(
      golden,
      'lora.logits',
      mask,
      (await runPass(ort, adapted, ids, mask)).logits,
    )
    await adapted.release()
  } catch (error) {
    result.refused = messageOf(error)
  } finally {
    await rm(folder, { recursive: true })
  }
  return result
}

async function sessionOf(
  ort: Ort,
  folder: string,
  model: string,
  adapter: string | undefined,
  type: StorageName,
) {
  const opened = await openUnloaded(fixture(model), adapter)
  await opened.merge()
  const graph = translateProgram(opened.architecture, storages[type], opened.values, model)
  const name = `${adapter ? 'adapted' : 'base'}.onnx`
  // Some with their weights beside them.
  await writeModel(graph, { folder, name, maxBytes: adapter ? 10_000 : 1e9 }, () => {})
  await opened.free()
  return ort.InferenceSession.create(join(folder, name))
}

/** Where there are tokens: what stands at padding is not defined. */
async function differenceOf(
  golden: GoldenTensors,
  name: string,
  mask: readonly (readonly number[])[],
  logits: Float32Array,
): Promise<number> {
  const expected = await golden.floats(name)
  const width = expected.length / mask.flat().length
  const isToken = mask.flat()
  const own = logits.map((value, i) => (isToken[Math.floor(i / width)] === 1 ? value : 0))
  const theirs = expected.map((value, i) => (isToken[Math.floor(i / width)] === 1 ? value : 0))
  return maxDifference(own, theirs)
}
