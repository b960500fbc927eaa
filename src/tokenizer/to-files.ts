import type { TokenizerFiles } from './files.ts'
import { isPortableName } from '../formats/foreign/index.ts'
import { templateFolder } from './files.ts'
import { formatJson, isJsonObject, type JsonObject } from './json.ts'
import type { KnownToken } from './known-tokens.ts'
import { namedTokens, parseToken, type NamedToken } from './named-tokens.ts'

/** What is written of a tokenizer. */
export interface TokenizerState {
  files: TokenizerFiles
  tokenizerJson: string | Uint8Array
  named: ReadonlyMap<NamedToken, string>
  added: ReadonlyMap<string, KnownToken>
  vocabSize: number
}

/**
 * The files of a tokenizer by name: tokenizer.json, the chat templates, the older files where they existed, and
 * tokenizer_config.json last: a folder that has it is complete.
 */
export function filesOf(state: TokenizerState): Map<string, string | Uint8Array> {
  const { files, added, named, vocabSize } = state
  const contents = new Map<string, string | Uint8Array>([['tokenizer.json', state.tokenizerJson]])
  if (files.specialTokensMap !== undefined)
    contents.set('special_tokens_map.json', formatJson(withNamedTokens(files.specialTokensMap, named)))
  if (files.addedTokens !== undefined) {
    const numbers = [...added].filter(([, { id }]) => id >= vocabSize)
    contents.set(
      'added_tokens.json',
      formatJson(Object.fromEntries(numbers.map(([content, { id }]) => [content, id]))),
    )
  }
  for (const [name, template] of files.chatTemplates)
    if (name === 'default') contents.set('chat_template.jinja', template)
    else if (isPortableName(name)) contents.set(`${templateFolder}/${name}.jinja`, template)
  return contents.set('tokenizer_config.json', formatJson(makeConfig(state)))
}

/** The named tokens as they are now; an entry that still names the same token keeps its own form. */
function withNamedTokens(object: JsonObject, named: TokenizerState['named']): JsonObject {
  const result = { ...object }
  for (const name of namedTokens) {
    const token = named.get(name)
    if (token !== undefined && parseToken(result[name])?.content !== token) result[name] = token
  }
  return result
}

function makeConfig({ files, named, added }: TokenizerState): JsonObject {
  const config = withNamedTokens(files.config, named)
  // Who has the template in the configuration may read it only there; the .jinja file is written as well, where the name is one for files.
  if (Array.isArray(config.chat_template) || ![...files.chatTemplates.keys()].every(isPortableName))
    config.chat_template = [...files.chatTemplates].map(([name, template]) => ({ name, template }))
  else if (config.chat_template !== undefined) config.chat_template = files.chatTemplates.get('default')
  if (isJsonObject(config.added_tokens_decoder)) {
    const decoder = { ...config.added_tokens_decoder }
    for (const [content, { id, special }] of added)
      decoder[id] ??= {
        content,
        lstrip: false,
        normalized: !special,
        rstrip: false,
        single_word: false,
        special,
      }
    config.added_tokens_decoder = decoder
  }
  config.tokenizer_class ??= 'PreTrainedTokenizerFast'
  return config
}
