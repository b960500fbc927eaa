import type { PreferenceKind } from '../../data/index.ts'
import type { Method } from '../options/index.ts'

const kinds: { [M in Method]: PreferenceKind | undefined } = {
  sft: undefined,
  dpo: 'pairs',
  kto: 'answers',
  orpo: 'pairs',
  cpo: 'pairs',
  reward: 'comparisons',
  grpo: undefined,
}

/** What a method makes of rows: pairs, answers with a label, or where it learns no preferences nothing of its own. */
export function preferenceKindOf(method: Method): PreferenceKind | undefined {
  return kinds[method]
}
