import { FettleError } from '../error.ts'
import { normal } from '../peft/index.ts'
import { createRandom } from '../random.ts'
import { withScoreHead } from './blocks/architecture.ts'
import { classifierOf } from './families/index.ts'
import { dropFrozen, setFrozen } from './state/frozen-weights.ts'
import type { ModelState } from './state/model-state.ts'
import { setArchitecture } from './state/model-state.ts'

/**
 * Makes a reward model of a language model: in place of the head for tokens it gets one for a score, drawn as Transformers draws it,
 * normal with `initializer_range`. A model that has one keeps it.
 *
 * @throws FettleError for a family that Transformers has no such class of, and for a model with adapters or in training
 */
export async function addScoreHead(state: ModelState, seed: number): Promise<void> {
  const { architecture, config } = state
  if (architecture.isScored) return
  const classifier = await classifierOf(config.modelType)
  if (classifier === null)
    throw new FettleError({
      place: 'reward model',
      found: `model_type "${config.modelType}", of which Transformers has no class for sequence classification`,
      expected: 'a model of another family, such as llama, qwen3 or gemma3_text',
    })
  if (state.trainable || state.parked.size > 0)
    throw new FettleError({
      place: 'reward model',
      found: 'a model with another adapter, or in training',
      expected: 'a model as it was loaded',
      cure: 'Load the model anew, or merge the adapter first.',
    })
  const scored = withScoreHead(architecture)
  const { raw } = config
  const deviation = typeof raw['initializer_range'] === 'number' ? raw['initializer_range'] : 0.02
  const random = createRandom(seed)
  const values = Float32Array.from({ length: architecture.width }, () => deviation * normal(random))
  if (!architecture.isTied) dropFrozen(state, architecture.head)
  await setFrozen(state, scored.head, values)
  setArchitecture(state, scored, {
    architectures: [classifier],
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
  })
}

/** @throws FettleError where a head for tokens is needed */
export function refuseScores({ architecture }: ModelState, what: string): void {
  if (!architecture.isScored) return
  throw new FettleError({
    place: what,
    found: 'a reward model, which gives scores',
    expected: 'a language model',
    cure: 'Score texts with model.score.',
  })
}
