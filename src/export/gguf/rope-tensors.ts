import { FettleError } from '../../error.ts'
import { ropeFrequencies, ropesOf, type Architecture, type Rope } from '../../model/index.ts'
import type { PlannedTensor } from './planned-tensor.ts'

/** Architectures whose rotation llama.cpp divides by a tensor. */
const dividing = new Set(['llama', 'granite', 'mistral3', 'gemma4'])
const withTwoLists = new Set(['phi3', 'llama', 'granite', 'mistral3'])

/** A divisor that leaves nothing of a frequency. */
const still = 1e30

/**
 * What scales a rotation and is no key of the metadata: divisors of the frequencies.
 *
 * @throws FettleError for a scaling that llama.cpp does not compute in this architecture
 */
export function ropeTensors(model: Architecture, architecture: string): PlannedTensor[] {
  const ropes = ropesOf(model).filter(({ growth }) => !growth)
  return ropes.flatMap((rope) => tensorsOf(rope, architecture))
}

function tensorsOf(rope: Rope, architecture: string): PlannedTensor[] {
  const { scaling } = rope
  switch (scaling.type) {
    case 'default':
    case 'linear':
    case 'yarn':
      return []
    case 'longrope':
      if (!withTwoLists.has(architecture)) throw refused(scaling.type, architecture)
      return [
        vectorTensor('rope_factors_long.weight', scaling.longFactors),
        vectorTensor('rope_factors_short.weight', scaling.shortFactors),
      ]
    case 'llama3':
    case 'divisors':
    case 'proportional': {
      if (!dividing.has(architecture)) throw refused(scaling.type, architecture)
      const plain = ropeFrequencies({ ...rope, scaling: { type: 'default' } }).inverse
      const scaled = ropeFrequencies(rope).inverse
      const divisors = [...plain].map((frequency, i) => (scaled[i] === 0 ? still : frequency / scaled[i]))
      return [vectorTensor('rope_freqs.weight', divisors)]
    }
    case 'dynamic':
      throw refused(scaling.type, architecture)
  }
}

function vectorTensor(name: string, values: readonly number[]): PlannedTensor {
  return {
    name,
    shape: [values.length],
    async *values() {
      yield Float32Array.from(values)
    },
  }
}

function refused(type: string, architecture: string): FettleError {
  return new FettleError({
    place: `rope_type ${type}`,
    found: `a rotation that llama.cpp does not compute for ${architecture}`,
    expected: 'default, linear or yarn',
    cure: 'Serve this model from safetensors.',
  })
}
