import { readFile, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { writeFileAtomic } from '../formats/index.ts'
import type { KnownToken } from './backend.ts'
import type { TokenizerFiles } from './files.ts'
import { formatJson, isJsonObject, type JsonObject } from './json.ts'
import { namedTokens, parseToken, type NamedToken } from './named-tokens.ts'

/** What is written of a tokenizer. */
export interface TokenizerState {
  files: TokenizerFiles
  tokenizerJson: string | Buffer
  named: ReadonlyMap<NamedToken, string>
  added: ReadonlyMap<string, KnownToken>
  vocabSize: number
}

/**
 * Writes tokenizer.json, tokenizer_config.json, the chat template, and the older files where they existed.
 * The configuration goes last: a folder that has it is complete.
 */
export async function saveTokenizer(folder: string, state: TokenizerState): Promise<void> {
  const { files } = state
  await writeFileAtomic(join(folder, 'tokenizer.json'), state.tokenizerJson)
  if (files.sentencePiece !== undefined && resolve(dirname(files.sentencePiece)) !== resolve(folder))
    await writeFileAtomic(join(folder, 'tokenizer.model'), await readFile(files.sentencePiece))
  if (files.specialTokensMap !== undefined)
    await writeFileAtomic(
      join(folder, 'special_tokens_map.json'),
      formatJson(withNamedTokens(files.specialTokensMap, state.named)),
    )
  if (files.addedTokens !== undefined) {
    const numbers = [...state.added].filter(([, { id }]) => id >= state.vocabSize)
    await writeFileAtomic(
      join(folder, 'added_tokens.json'),
      formatJson(Object.fromEntries(numbers.map(([content, { id }]) => [content, id]))),
    )
  }
  await saveChatTemplates(folder, files.chatTemplates)
  await writeFileAtomic(join(folder, 'tokenizer_config.json'), formatJson(makeConfig(state)))
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
  // Who has the template in the configuration may read it only there; the .jinja file is written as well.
  if (Array.isArray(config.chat_template))
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

async function saveChatTemplates(folder: string, templates: ReadonlyMap<string, string>): Promise<void> {
  const more = join(folder, 'additional_chat_templates')
  // What a former save left there would win over what is saved now.
  await rm(more, { recursive: true, force: true })
  if (!templates.has('default')) await rm(join(folder, 'chat_template.jinja'), { force: true })
  for (const [name, template] of templates)
    await writeFileAtomic(
      name === 'default' ? join(folder, 'chat_template.jinja') : join(more, `${name}.jinja`),
      template,
    )
}
