import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError } from '../../src/error.ts'
import { float32ToBfloat16 } from '../../src/float16.ts'
import { writeSafetensors } from '../../src/formats/index.ts'
import { describeModel, parametersOf } from '../../src/model/index.ts'
import { slicesOf } from '../../src/model/weights/tensor-slice.ts'
import { createRandom } from '../../src/random.ts'
import { shapes, type RandomShape, type ShapeName } from './shapes.ts'

/** Numbers that every matrix repeats, from another place on: a billion draws would take minutes. */
const noise = float32ToBfloat16(uniform(999_983, 0.02))

function uniform(count: number, deviation: number): Float32Array {
  const random = createRandom(1)
  return Float32Array.from({ length: count }, () => Math.sqrt(12) * deviation * (random() - 0.5))
}

async function* repeated(count: number, from: number): AsyncGenerator<Uint16Array> {
  let at = from % noise.length
  for (let left = count; left > 0;) {
    const piece = noise.subarray(at, Math.min(noise.length, at + left))
    yield piece
    left -= piece.length
    at = 0
  }
}

/** @throws FettleError for a name that is none, with those that are */
export function shapeName(name: string): ShapeName {
  const found = Object.keys(shapes).find((each) => each === name)
  if (found) return found as ShapeName
  throw new FettleError({
    place: '--like',
    found: name,
    expected: Object.keys(shapes).join(', '),
  })
}

/** The shape's config.json, with as many layers as it has or fewer. */
function configOf(name: ShapeName, layers: number | undefined): Record<string, unknown> {
  const { config }: RandomShape = shapes[name]
  const { num_hidden_layers: all, layer_types: types } = config
  if (layers === undefined || layers >= Number(all)) return { ...config }
  return {
    ...config,
    num_hidden_layers: layers,
    ...(Array.isArray(types) && { layer_types: types.slice(0, layers) }),
  }
}

/**
 * Writes a model of random weights in bfloat16; the tokenizer is that of assets/tiny-llama, whose tokens are the first of its
 * vocabulary.
 *
 * @returns how many parameters it has
 */
export async function writeRandomModel(name: ShapeName, out: string, layers?: number): Promise<number> {
  const config = configOf(name, layers)
  await mkdir(out, { recursive: true })
  const { architecture } = await describeModel(config, name)
  const parameters = parametersOf(architecture)
  const tensors = parameters.flatMap((parameter) =>
    slicesOf(parameter).map((slice) => ({ ...slice, parameter })),
  )
  await writeSafetensors(
    join(out, 'model.safetensors'),
    tensors.map(({ name: tensor, shape, stored, parameter: { kind, fresh } }, i) => {
      const count = shape.reduce((product, size) => product * size, 1)
      // A gain that is stored as its distance from one.
      const gain = fresh === 'ones' && stored === undefined ? 1 : 0
      return {
        name: tensor,
        dtype: 'BF16' as const,
        shape,
        data: () =>
          kind === 'vector'
            ? float32ToBfloat16(new Float32Array(count).fill(gain))
            : repeated(count, 7919 * i),
      }
    }),
  )
  for (const file of [
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
    'generation_config.json',
  ])
    await cp(join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama', file), join(out, file))
  await writeFile(join(out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
}
