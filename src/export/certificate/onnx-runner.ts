import { float16ToFloat32 } from '../../float16.ts'
import { importInstalled } from './installed-package.ts'
import type { Runner, Speech } from './runner.ts'

/** What of onnxruntime-node is used. */
interface OrtTensor {
  readonly data: Float32Array | Uint16Array
}
interface OrtSession {
  readonly inputMetadata: readonly { name: string; type: string; shape: readonly (number | string)[] }[]
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>
  release(): Promise<void>
}
interface Ort {
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor
  InferenceSession: { create(path: string, options: { intraOpNumThreads?: number }): Promise<OrtSession> }
}

const name = 'onnxruntime-node'

/** Where it may be: of the project itself, or of Transformers.js. */
const places = [name, `@huggingface/transformers/node_modules/${name}`]

/** An exported ONNX file in onnxruntime, spoken to as its folder says; undefined where that is not installed. */
export async function onnxRunner(
  path: string,
  speech: Speech,
  threads: number | undefined,
): Promise<Runner | undefined> {
  const found = (await importInstalled<Ort>(places[0])) ?? (await importInstalled<Ort>(places[1]))
  if (!found) return undefined
  const { module: ort, version } = found
  const session = await ort.InferenceSession.create(path, {
    ...(threads !== undefined && { intraOpNumThreads: threads }),
  })
  const integers = (values: readonly number[], dims: readonly number[]) =>
    new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims)
  let fed: readonly number[] = []
  let past: Record<string, OrtTensor> = {}
  return {
    ...speech,
    runtime: { name, version, isTarget: true },
    givesLogits: true,
    async logits(ids, rows) {
      const goesOn = fed.length > 0 && fed.length <= ids.length - rows && fed.every((id, i) => id === ids[i])
      const start = goesOn ? fed.length : 0
      const outputs = await session.run({
        ...(goesOn ? past : emptyMemories(ort, session)),
        input_ids: integers(ids.slice(start), [1, ids.length - start]),
        attention_mask: integers(Array<number>(ids.length).fill(1), [1, ids.length]),
        num_logits_to_keep: integers([rows], []),
      })
      fed = ids
      past = Object.fromEntries(
        Object.entries(outputs).flatMap(([output, tensor]) =>
          output.startsWith('present') ? [[inputOf(output), tensor] as const] : [],
        ),
      )
      const { data } = outputs['logits']
      return data instanceof Float32Array ? data : float16ToFloat32(data)
    },
    close: () => session.release(),
  }
}

/** The input that takes what an output gives on. */
function inputOf(output: string): string {
  const [first, ...rest] = output.split('.')
  return [first === 'present' ? 'past_key_values' : first.replace('present', 'past'), ...rest].join('.')
}

/** Before the first token: dimensions that differ from run to run are empty, but for the one sequence. */
function emptyMemories(ort: Ort, { inputMetadata }: OrtSession): Record<string, OrtTensor> {
  const entries = inputMetadata.flatMap(({ name: input, type, shape }) => {
    if (!input.startsWith('past')) return []
    const dims = shape.map((size) => (typeof size === 'number' ? size : size === 'batch_size' ? 1 : 0))
    const count = dims.reduce((product, size) => product * size, 1)
    const data = type === 'float16' ? new Uint16Array(count) : new Float32Array(count)
    return [[input, new ort.Tensor(type, data, dims)] as const]
  })
  return Object.fromEntries(entries)
}
