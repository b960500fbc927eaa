import { chatFormats } from '../../chat/index.ts'
import type { ChatFormatName } from '../../chat/index.ts'
import { FettleError, messageOf } from '../../error.ts'
import { readTextFile } from '../../formats/index.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import { setupChatFormat } from '../../model/index.ts'
import { parseChatTemplateOf, type Tokenizer } from '../../tokenizer/index.ts'

/**
 * Gives the tokenizer the chat template of a run: a .jinja file, or a format by name.
 *
 * @param model  its embeddings get room for the format's tokens; without it only the tokenizer changes
 * @returns      ids of tokens that are new, whose embedding rows must be learned
 */
export async function applyRunTemplate(
  tokenizer: Tokenizer,
  chatTemplate: string | undefined,
  model?: AutoModelForCausalLM,
): Promise<number[]> {
  if (chatTemplate === undefined) return []
  if (!isFormatName(chatTemplate)) {
    const source = await readTemplate(chatTemplate)
    // A mistake in it is one of this file, not of the model's.
    parseChatTemplateOf(chatTemplate, source)
    tokenizer.chatTemplate = source
    return []
  }
  if (model) {
    const { newTokens } = await setupChatFormat(model, tokenizer, chatTemplate, { replaceTemplate: true })
    return newTokens.map(({ id }) => id)
  }
  const { template, specialTokens, eosToken } = chatFormats[chatTemplate]
  tokenizer.addSpecialTokens(specialTokens)
  if (template.includes(eosToken)) tokenizer.setNamedToken('eos_token', eosToken)
  tokenizer.chatTemplate = template
  return []
}

async function readTemplate(path: string): Promise<string> {
  try {
    return await readTextFile(path)
  } catch (error) {
    throw new FettleError(
      {
        place: 'chat_template',
        found: `'${path}' (${error instanceof FettleError ? error.problems[0].found : messageOf(error)})`,
        expected: `a .jinja file, or one of ${Object.keys(chatFormats).join(', ')}`,
      },
      { cause: error },
    )
  }
}

function isFormatName(name: string): name is ChatFormatName {
  return Object.hasOwn(chatFormats, name)
}
