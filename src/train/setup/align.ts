import { FettleError } from '../../error.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { ensurePadToken, findStopSet } from '../../tokenizer/index.ts'
import type { TrainOptions } from '../options/index.ts'
import { applyRunTemplate } from './run-template.ts'

/** What the alignment found and made. */
export interface AlignedTokens {
  /** The tokens that end a turn, the template's own first. */
  stopTokenIds: number[]
  /** Tokens that the model has never seen: their rows are trained. */
  newTokenIds: number[]
}

/**
 * Makes template, pad token and stop tokens of model and tokenizer one, before anything is tokenised: what is trained
 * is what is saved and served.
 */
export async function alignSpecialTokens(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  options: Pick<TrainOptions, 'chatTemplate' | 'padToken'>,
): Promise<AlignedTokens> {
  const newTokenIds = await applyRunTemplate(tokenizer, options.chatTemplate, model)
  const pad = padOf(model, tokenizer, options.padToken)
  const { ids } = findStopSet(tokenizer, model.generationConfig)
  if (ids.length > 0) model.generationConfig.eosTokenIds = ids
  if (pad !== undefined) model.generationConfig.padTokenId = pad
  return { stopTokenIds: ids, newTokenIds }
}

/**
 * Id of the pad token: as the options say, as the tokenizer says, else a reserved token, unk, or eos, which is safe
 * because padding is masked by position. Never a new one: its embedding row would not be in the adapter.
 */
function padOf(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  wanted: string | undefined,
): number | undefined {
  if (wanted === undefined && tokenizer.padTokenId !== undefined) return tokenizer.padTokenId
  if (wanted !== undefined && tokenizer.convertTokensToIds(wanted) === undefined)
    throw new FettleError({
      place: 'pad_token',
      found: `'${wanted}', which is no token of this tokenizer`,
      expected: 'one of its tokens',
      cure: 'Add it first: tokenizer.addSpecialTokens and model.resizeTokenEmbeddings, then save both.',
    })
  for (const policy of wanted === undefined ? ['reserved', 'unk', 'eos'] : [wanted]) {
    try {
      return ensurePadToken(tokenizer, policy, model.vocabSize).id
    } catch (error) {
      if (!(error instanceof FettleError)) throw error
    }
  }
  return undefined
}
