import type { Check } from '../check.ts'
import type { CheckName } from '../check-names.ts'
import { adapterMatchesBase } from './adapter/adapter-matches-base.ts'
import { doubleBos } from './template/double-bos.ts'
import { dtype } from './dtype.ts'
import { duplicates } from './rows/duplicates.ts'
import { embeddingSize } from './weights/embedding-size.ts'
import { emptyAnswers } from './rows/empty-answers.ts'
import { hyperparameters } from './hyperparameters.ts'
import { memory } from './memory.ts'
import { newTokenRows } from './weights/new-token-rows.ts'
import { nothingToLearn } from './rows/nothing-to-learn.ts'
import { padEqualsEos } from './padding/pad-equals-eos.ts'
import { padTokenMissing } from './padding/pad-token-missing.ts'
import { paddingSide } from './padding/padding-side.ts'
import { positionLimit } from './rows/position-limit.ts'
import { readable } from './readable.ts'
import { servedWhere } from './adapter/served-where.ts'
import { spanBorders } from './template/span-borders.ts'
import { stopTokenDisagreement } from './stop-tokens/stop-token-disagreement.ts'
import { stopTokenInGenerationConfig } from './stop-tokens/stop-token-in-generation-config.ts'
import { stopTokenInTemplate } from './stop-tokens/stop-token-in-template.ts'
import { stopTokenLearned } from './stop-tokens/stop-token-learned.ts'
import { targetModules } from './adapter/target-modules.ts'
import { templateLosesMessages } from './template/template-loses-messages.ts'
import { templateMissing } from './template/template-missing.ts'
import { textEncoding } from './rows/text-encoding.ts'
import { cutAnswers } from './rows/cut-answers.ts'
import { twoEndTokens } from './stop-tokens/two-end-tokens.ts'
import { weightsNotFinite } from './weights/weights-not-finite.ts'

/** Everything that the doctor looks for. */
export const checks: { readonly [K in CheckName]: Check } = {
  readable,
  'template-missing': templateMissing,
  'stop-token-in-template': stopTokenInTemplate,
  'stop-token-learned': stopTokenLearned,
  'stop-token-in-generation-config': stopTokenInGenerationConfig,
  'stop-token-disagreement': stopTokenDisagreement,
  'two-end-tokens': twoEndTokens,
  'pad-equals-eos': padEqualsEos,
  'pad-token-missing': padTokenMissing,
  'double-bos': doubleBos,
  'weights-not-finite': weightsNotFinite,
  'embedding-size': embeddingSize,
  'new-token-rows': newTokenRows,
  'template-loses-messages': templateLosesMessages,
  'span-borders': spanBorders,
  'nothing-to-learn': nothingToLearn,
  truncation: cutAnswers,
  'position-limit': positionLimit,
  'empty-answers': emptyAnswers,
  duplicates,
  'text-encoding': textEncoding,
  'target-modules': targetModules,
  'adapter-matches-base': adapterMatchesBase,
  'served-where': servedWhere,
  hyperparameters,
  dtype,
  memory,
  'padding-side': paddingSide,
}
