import { FettleError, listNames } from '../../error.ts'
import type { AdapterTensor } from '../../peft/index.ts'
import type { SavedTensor } from './whole-entries.ts'

/** The tensors of an adapter's file, and which of them have found their place. */
export interface AdapterFile {
  has(name: string): boolean
  /** A tensor of whatever shape. */
  peek(name: string): AdapterTensor | undefined
  /** The values of a tensor; throws where it is missing or has another shape. */
  take: SavedTensor
  /** Says that a tensor has its place. */
  pass(name: string): void
  /** @throws FettleError where there are tensors that nothing took */
  checkNothingLeft(): void
}

/** @param place  where they are from, for errors */
export function adapterFile(place: string, tensors: ReadonlyMap<string, AdapterTensor>): AdapterFile {
  const left = new Set(tensors.keys())
  return {
    has: (name) => tensors.has(name),
    peek: (name) => tensors.get(name),
    pass: (name) => void left.delete(name),
    take(name, shape) {
      const tensor = tensors.get(name)
      if (!tensor || tensor.shape.join() !== shape.join())
        throw new FettleError({
          place: `${place}: tensor ${name}`,
          found: tensor ? `shape [${tensor.shape.join(', ')}]` : 'nothing',
          expected: `shape [${shape.join(', ')}]`,
          cure: 'The adapter was made for another model, or its adapter_config.json was changed.',
        })
      left.delete(name)
      return tensor.data
    },
    checkNothingLeft() {
      if (left.size === 0) return
      throw new FettleError({
        place,
        found: `tensors that this model has no place for: ${listNames([...left])}`,
        expected: 'the tensors of the modules that adapter_config.json names',
        cure: 'The adapter was made for another model.',
      })
    },
  }
}
