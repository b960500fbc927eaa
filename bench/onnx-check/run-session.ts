import { float16ToFloat32 } from '../../src/float16.ts'
import type { Ort, OrtSession, OrtTensor } from './runtimes.ts'

/** Logits [batch, kept, vocabulary] of some rows of tokens, and what is remembered for the next pass. */
export interface PassResult {
  logits: Float32Array
  past: Record<string, OrtTensor>
}

export async function runPass(
  ort: Ort,
  session: OrtSession,
  ids: readonly (readonly number[])[],
  mask: readonly (readonly number[])[],
  past?: Record<string, OrtTensor>,
  keep = 0,
): Promise<PassResult> {
  const integers = (rows: readonly (readonly number[])[]) =>
    new ort.Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length])
  const feeds: Record<string, OrtTensor> = {
    input_ids: integers(ids),
    attention_mask: integers(mask),
    num_logits_to_keep: new ort.Tensor('int64', BigInt64Array.of(BigInt(keep)), []),
    ...(past ?? emptyPast(ort, session, ids.length)),
  }
  const outputs = await session.run(feeds)
  const { data } = outputs['logits']
  const next = Object.entries(outputs).flatMap(([name, tensor]) =>
    name.startsWith('present')
      ? [
          [
            name.replace(/^present(_conv|_recurrent)?/, (_, kind: string) => `past${kind ?? '_key_values'}`),
            tensor,
          ] as const,
        ]
      : [],
  )
  return {
    logits: data instanceof Uint16Array ? float16ToFloat32(data) : (data as Float32Array),
    past: Object.fromEntries(next),
  }
}

/** As Transformers.js makes it: dimensions with a name are empty but for the batch. */
function emptyPast(ort: Ort, { inputMetadata }: OrtSession, batch: number): Record<string, OrtTensor> {
  const entries = inputMetadata.flatMap(({ name, type, shape }) => {
    if (!name.startsWith('past')) return []
    const dims = shape.map((size) => (typeof size === 'number' ? size : size === 'batch_size' ? batch : 0))
    const count = dims.reduce((product, size) => product * size, 1)
    const data = type === 'float16' ? new Uint16Array(count) : new Float32Array(count)
    return [[name, new ort.Tensor(type, data, dims)] as const]
  })
  return Object.fromEntries(entries)
}

/** The likeliest tokens, one after the other. */
export async function continueGreedily(
  ort: Ort,
  session: OrtSession,
  prompt: readonly number[],
  count: number,
): Promise<number[]> {
  const tokens = [...prompt]
  let past: Record<string, OrtTensor> | undefined
  for (let fed: readonly number[] = prompt; tokens.length < prompt.length + count; fed = tokens.slice(-1)) {
    const result: PassResult = await runPass(ort, session, [fed], [tokens.map(() => 1)], past, 1)
    past = result.past
    tokens.push(result.logits.indexOf(Math.max(...result.logits)))
  }
  return tokens
}
