import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { refuseFull, writeAtomically, type AtomicFile } from '../../formats/index.ts'
import { version } from '../../version.ts'
import { byteLengthOf, modelPieces } from './model-proto.ts'
import type { ExternalPlace, Graph, Initializer } from './model-proto.ts'

/** Weights begin at multiples of a page, so that they can be mapped. */
const alignment = 4096

/**
 * Writes a graph, piece by piece: weights are read when their turn comes, and forgotten. Above `maxBytes` they lie in files beside it,
 * `<name>_data`, `<name>_data_1`…, of at most so many bytes each, but for a single weight that has more.
 *
 * @param onTensor  is told before each weight is read
 * @returns how many files of weights lie beside it
 */
export async function writeModel(
  graph: Graph,
  { folder, name, maxBytes }: { folder: string; name: string; maxBytes: number },
  onTensor: () => void,
): Promise<number> {
  const weights = graph.initializers.filter(({ data }) => !(data instanceof Uint8Array))
  const bytes = weights.reduce((sum, weight) => sum + byteLengthOf(weight), 0)
  refuseFull(folder, bytes)
  const places = bytes > maxBytes ? placesOf(weights, name, maxBytes) : new Map<Initializer, ExternalPlace>()
  const files = new Set([...places.values()].map(({ location }) => location))
  for (const file of files) {
    const held = [...places].filter(([, { location }]) => location === file)
    const end = held.reduce((most, [weight, { offset }]) => Math.max(most, offset + byteLengthOf(weight)), 0)
    const write = async (out: AtomicFile): Promise<void> => {
      let written = 0
      for (const [weight, { offset }] of held) {
        await out.write(new Uint8Array(offset - written))
        await writeWeight(out, weight, onTensor)
        written = offset + byteLengthOf(weight)
      }
    }
    await writeAtomically(join(folder, file), write, end)
  }
  const producer = { name: 'fettle', version: version() }
  await writeAtomically(join(folder, name), async (out) => {
    for (const piece of modelPieces(graph, producer, (weight) => places.get(weight)))
      if (piece instanceof Uint8Array) await out.write(piece)
      else await writeWeight(out, piece, onTensor)
  })
  return files.size
}

function placesOf(weights: readonly Initializer[], name: string, maxBytes: number) {
  const places = new Map<Initializer, ExternalPlace>()
  let count = 0
  let end = 0
  for (const weight of weights) {
    const length = byteLengthOf(weight)
    let offset = Math.ceil(end / alignment) * alignment
    if (offset > 0 && offset + length > maxBytes) {
      count += 1
      offset = 0
    }
    places.set(weight, { location: `${name}_data${count === 0 ? '' : `_${count}`}`, offset })
    end = offset + length
  }
  return places
}

async function writeWeight(out: AtomicFile, weight: Initializer, onTensor: () => void): Promise<void> {
  const { name, data } = weight
  if (data instanceof Uint8Array) return out.write(data)
  onTensor()
  let written = 0
  for await (const piece of data()) {
    await out.write(piece)
    written += piece.byteLength
  }
  if (written === byteLengthOf(weight)) return
  throw new FettleError(
    { place: `weight ${name}`, found: `${written} bytes`, expected: `${byteLengthOf(weight)} of its shape` },
    { exitCode: 1 },
  )
}
