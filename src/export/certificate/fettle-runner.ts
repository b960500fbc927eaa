import { AutoModelForCausalLM } from '../../model/index.ts'
import type { Decoder } from '../../generate/index.ts'
import { version } from '../../version.ts'
import type { Runner, Speech } from './runner.ts'

/** How fettle loads a model. */
export type FettleLoading = Omit<
  NonNullable<Parameters<typeof AutoModelForCausalLM.fromPretrained>[1]>,
  'dtype'
>

/** A model in fettle, with or without an adapter, in float32. */
export async function fettleRunner(
  paths: { model: string; adapter?: string | undefined },
  speech: Speech,
  options: { capacity: number; isTarget: boolean; load?: FettleLoading },
): Promise<Runner> {
  const model = await AutoModelForCausalLM.fromPretrained(paths.model, { ...options.load, dtype: 'float32' })
  if (paths.adapter !== undefined) await model.loadAdapter(paths.adapter)
  const decoder = model.decoder(1, Math.min(options.capacity, model.maxPositions))
  let fed: readonly number[] = []
  return {
    ...speech,
    runtime: { name: `fettle (${model.engine.name})`, version: version(), isTarget: options.isTarget },
    givesLogits: true,
    async logits(ids, rows) {
      const start = keptBeginning(decoder, fed, ids, rows)
      fed = ids
      const count = ids.length - start
      const positions = Int32Array.from({ length: count }, (_, i) => start + i)
      const wanted = Int32Array.from({ length: rows }, (_, i) => count - rows + i)
      const tokens = { ids: Int32Array.from(ids.slice(start)), slots: new Int32Array(count), positions }
      return decoder.feed({ ...tokens, promptLength: ids.length }, wanted)
    },
    async close() {
      decoder.free()
      await model.free()
    },
  }
}

/** How many first tokens the cache has already, and need not be fed again. */
function keptBeginning(
  decoder: Decoder,
  fed: readonly number[],
  ids: readonly number[],
  rows: number,
): number {
  const differing = ids.findIndex((id, i) => id !== fed[i])
  const same = differing < 0 ? ids.length : differing
  return decoder.resumable(0, Math.min(same, ids.length - rows))
}
