import { FettleError } from '../../../error.ts'
import { withScoreHead } from '../../blocks/architecture.ts'
import type { ModelDescription } from '../../families/index.ts'
import type { StoredTensors } from './stored-tensors.ts'
import { plural } from '../../../plural.ts'

/**
 * A model whose config.json says that it is one for sequence classification, as a reward model: with one label, whose score its head gives.
 *
 * @throws FettleError where there is no such head, or one for several labels
 */
export function withStoredScore(
  described: ModelDescription,
  place: string,
  stored: StoredTensors,
): ModelDescription {
  const [className] = [described.config.raw['architectures']].flat()
  if (typeof className !== 'string' || !className.endsWith('ForSequenceClassification')) return described
  const architecture = withScoreHead(described.architecture)
  const { key } = architecture.head
  const labels = stored.find(key)?.shape[0]
  if (labels === 1) return { ...described, architecture }
  throw new FettleError({
    place: `${place}: architectures`,
    found: `${className}, and ${labels === undefined ? `no tensor ${key}` : `${key} for ${plural(labels, 'label')}`}`,
    expected: 'a reward model: one label',
    ...(labels === undefined && { cure: 'Its weights are those of another class, or incomplete.' }),
  })
}
