import { parseJsonObject } from '../formats/foreign/index.ts'
import type { TokenizerFiles } from './files.ts'
import { formatJson, type JsonObject } from './json.ts'
import type { NamedToken } from './named-tokens.ts'

/** What makes the same tokenizer again, in texts: a structured clone would lose what JSON tells apart. */
export interface TokenizerSnapshot {
  place: string
  tokenizerJson: string | Uint8Array
  config: string
  specialTokensMap: string | undefined
  addedTokens: string | undefined
  chatTemplates: [name: string, source: string][]
  model: TokenizerFiles['model']
  named: [name: NamedToken, token: string][]
}

/** @param tokenizerJson  with the tokens that were added since the files were read */
export function writeSnapshot(
  { place, config, specialTokensMap, addedTokens, chatTemplates, model }: TokenizerFiles,
  tokenizerJson: string | Uint8Array,
  named: ReadonlyMap<NamedToken, string>,
): TokenizerSnapshot {
  return {
    place,
    tokenizerJson,
    config: formatJson(config),
    specialTokensMap: specialTokensMap && formatJson(specialTokensMap),
    addedTokens: addedTokens && formatJson(addedTokens),
    chatTemplates: [...chatTemplates],
    model,
    named: [...named],
  }
}

/** The files of a snapshot, and the named tokens as they were. */
export function readSnapshot(snapshot: TokenizerSnapshot): {
  files: TokenizerFiles
  named: ReadonlyMap<NamedToken, string>
} {
  const { place, tokenizerJson, model } = snapshot
  const object = (text: string): JsonObject => parseJsonObject(text, place)
  const files = {
    place,
    tokenizerJson,
    config: object(snapshot.config),
    specialTokensMap: snapshot.specialTokensMap === undefined ? undefined : object(snapshot.specialTokensMap),
    addedTokens: snapshot.addedTokens === undefined ? undefined : object(snapshot.addedTokens),
    chatTemplates: new Map(snapshot.chatTemplates),
    ...(model && { model }),
  }
  return { files, named: new Map(snapshot.named) }
}
