import { quantizations } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import { checkAssistant } from '../../model/index.ts'
import type { AssistantModel } from '../../model/index.ts'
import { mustExist } from '../../pipeline/index.ts'
import type { LoadedModel } from '../../pipeline/index.ts'
import type { FlagValues } from '../command.ts'
import { loadModelOf, modelFlags, oneOf } from './model-flags.ts'

/** The flags of a second model that guesses tokens for the first. */
export const assistantFlags = {
  assistantModel: {
    type: 'string',
    hint: 'path',
    description:
      'Smaller model with the same tokens that guesses what the model checks: the same answer, sooner',
  },
  assistantQuantization: {
    type: 'string',
    options: quantizations,
    description: 'How the assistant is held; the same model in nf4 is an assistant, too',
  },
  numAssistantTokens: { type: 'number', description: 'Tokens that the assistant guesses at once; default 3' },
} as const

/** A second model, as `generate` takes it. */
export interface LoadedAssistant {
  assistantModel: AssistantModel
  numAssistantTokens: number | undefined
}

/**
 * Loads the assistant, where one is asked for.
 *
 * @throws FettleError when it was trained with other tokens than the model
 */
export async function loadAssistant(
  flags: FlagValues<typeof assistantFlags> &
    Pick<FlagValues<typeof modelFlags>, 'dtype' | 'engine' | 'threads'>,
  { model, tokenizer }: LoadedModel,
): Promise<LoadedAssistant | undefined> {
  const { assistantModel, assistantQuantization, numAssistantTokens, dtype, engine, threads } = flags
  if (assistantModel === undefined) {
    if (assistantQuantization === undefined && numAssistantTokens === undefined) return undefined
    throw new FettleError({
      place: '--assistant-model',
      found: 'not given, but other options of an assistant are',
      expected: 'the path of the assistant; it may be that of the model itself',
    })
  }
  mustExist(assistantModel, '--assistant-model')
  const quantization = oneOf(assistantQuantization, quantizations)
  const assistant = await loadModelOf({
    model: assistantModel,
    adapter: undefined,
    quantization,
    doubleQuantization: undefined,
    activationQuantization: undefined,
    dtype,
    engine,
    threads,
  })
  const tokens = Array.from({ length: Math.max(model.vocabSize, assistant.model.vocabSize) }, (_, id) => id)
  const other = tokens.find(
    (id) => tokenizer.convertIdsToTokens(id) !== assistant.tokenizer.convertIdsToTokens(id),
  )
  if (other !== undefined)
    throw new FettleError({
      place: `--assistant-model ${assistantModel}`,
      found: `token ${other} is ${named(assistant, other)}`,
      expected: `${named({ tokenizer }, other)}, as in the model's tokenizer`,
      cure: 'Choose an assistant of the same family, or the same model with --assistant-quantization nf4.',
    })
  checkAssistant(model, assistant.model)
  return { assistantModel: assistant.model, numAssistantTokens }
}

function named({ tokenizer }: Pick<LoadedModel, 'tokenizer'>, id: number): string {
  const token = tokenizer.convertIdsToTokens(id)
  return token === undefined ? 'none' : `'${token}'`
}
