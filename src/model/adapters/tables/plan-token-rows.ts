import { FettleError, quoteValue } from '../../../error.ts'
import type { LoraConfig } from '../../../peft/index.ts'
import { headOf, vocabularyOf } from '../../blocks/architecture.ts'
import type { ModelState } from '../../state/model-state.ts'
import type { Parameter } from '../../weights/parameters.ts'
import { leafName } from '../../weights/parameters.ts'

/** Which rows of which table an adapter trains. */
export interface RowPlan {
  parameter: Parameter
  ids: readonly number[]
  isEmbedding: boolean
  isHead: boolean
}

/**
 * Reads `trainableTokenIndices`: a list means the embedding, and with it a tied head; an object names the two modules,
 * such as `embed_tokens` and `lm_head`, each.
 *
 * @throws FettleError on tokens that do not exist, are named twice, or modules that are trained whole as well
 */
export function planTokenRows(
  { architecture }: ModelState,
  { trainableTokenIndices: given, modulesToSave = [] }: LoraConfig,
): RowPlan[] {
  if (given === undefined) return []
  const place = 'lora.trainable_token_indices'
  const table = architecture.embedding.table
  const [embeddingName, headName] = [leafName(table), leafName(architecture.head)]
  const plans = new Map<string, RowPlan>()
  for (const [name, ids] of Object.entries(Array.isArray(given) ? { [embeddingName]: given } : given)) {
    if (name !== embeddingName && name !== headName)
      throw new FettleError({ place, found: `'${name}'`, expected: `${embeddingName} or ${headName}` })
    checkIds(`${place}: ${name}`, ids, vocabularyOf(architecture))
    if (modulesToSave.includes(name))
      throw new FettleError({
        place,
        found: `${name}, which modules_to_save trains whole`,
        expected: 'one of the two',
      })
    const parameter = name === embeddingName ? table : headOf(architecture)
    const other = plans.get(parameter.key)
    if (other && other.ids.join() !== ids.join())
      throw new FettleError({
        place,
        found: `other tokens for ${headName} than for ${embeddingName}`,
        expected: 'the same, because the head is tied to the embedding',
      })
    const isEmbedding = parameter.key === table.key
    const isHead = parameter.key === headOf(architecture).key
    plans.set(parameter.key, { parameter, ids, isEmbedding, isHead })
  }
  return [...plans.values()]
}

function checkIds(place: string, ids: readonly number[], vocabulary: number): void {
  const wrong = ids.find(
    (id, i) => !Number.isInteger(id) || id < 0 || id >= vocabulary || ids.indexOf(id) < i,
  )
  if (ids.length > 0 && wrong === undefined) return
  throw new FettleError({
    place,
    found: wrong === undefined ? 'no tokens' : quoteValue(wrong),
    expected: `different token ids below ${vocabulary}`,
    cure: 'New tokens need rows first: resizeTokenEmbeddings or setupChatFormat.',
  })
}
