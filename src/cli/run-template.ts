import { readFile } from 'node:fs/promises'
import { chatFormats } from '../chat/index.ts'
import type { ChatFormatName } from '../chat/index.ts'
import type { AutoModelForCausalLM } from '../model/index.ts'
import { setupChatFormat } from '../model/index.ts'
import type { Tokenizer } from '../tokenizer/index.ts'

/**
 * Gives the tokenizer the chat template of a run: a .jinja file, or a format by name.
 *
 * @param model  its embeddings get room for the format's tokens; without it only the tokenizer changes
 */
export async function applyRunTemplate(
  tokenizer: Tokenizer,
  chatTemplate: string | undefined,
  model?: AutoModelForCausalLM,
): Promise<void> {
  if (chatTemplate === undefined) return
  if (!isFormatName(chatTemplate)) tokenizer.chatTemplate = await readFile(chatTemplate, 'utf8')
  else if (model) await setupChatFormat(model, tokenizer, chatTemplate, { replaceTemplate: true })
  else {
    const { template, specialTokens, eosToken } = chatFormats[chatTemplate]
    tokenizer.addSpecialTokens(specialTokens)
    if (template.includes(eosToken)) tokenizer.setNamedToken('eos_token', eosToken)
    tokenizer.chatTemplate = template
  }
}

function isFormatName(name: string): name is ChatFormatName {
  return Object.hasOwn(chatFormats, name)
}
