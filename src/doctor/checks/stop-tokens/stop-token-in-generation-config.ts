import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isGgufName } from '../../../formats/index.ts'
import { readGenerationConfig } from '../../../tokenizer/index.ts'
import type { Check } from '../../check.ts'
import { changeJsonFile, type JsonObject } from '../../json-file.ts'
import { templateStops, type Patient } from '../../patient.ts'

/** What a server finds of stop tokens, and the file that should name them. */
interface Served {
  file: string
  ids: number[]
  /** All of generation_config.json. */
  raw: JsonObject
}

/** The adapter's file where there is an adapter: its base model, which others use too, is not to be changed. */
async function served({ adapter, model }: Patient): Promise<Served | undefined> {
  const name = 'generation_config.json'
  if (adapter && existsSync(join(adapter.path, name))) {
    const { eosTokenIds, raw } = await readGenerationConfig(adapter.path)
    return { file: join(adapter.path, name), ids: eosTokenIds, raw }
  }
  if (model === undefined) return undefined
  const { eosTokenIds, raw } = model.generationConfig
  if (adapter) return { file: join(adapter.path, name), ids: eosTokenIds, raw }
  return { file: model.isGguf ? model.path : join(model.path, name), ids: eosTokenIds, raw }
}

/** The template ends turns with a token at which generation would not stop. */
export const stopTokenInGenerationConfig: Check = {
  looksFor: 'stop tokens of the template that generation_config.json lacks',
  async examine(patient) {
    const { tokenizer: facts } = patient
    const place = await served(patient)
    const stops = templateStops(patient)
    if (facts === undefined || place === undefined || stops === undefined) return []
    // Only the first: tokens like <|eom_id|> end a turn in some modes only.
    const [token] = stops.filter((stop) => facts.tokenizer.convertTokensToIds(stop) !== undefined)
    const id = token === undefined ? undefined : facts.tokenizer.convertTokensToIds(token)
    if (token === undefined || id === undefined || place.ids.includes(id)) return []
    const { file, raw } = place
    const isGguf = isGgufName(file)
    const names = place.ids.map((known) => facts.tokenizer.convertIdsToTokens(known) ?? String(known))
    const ids = [id, ...place.ids.filter((known) => known !== facts.tokenizer.padTokenId)]
    const value = ids.length === 1 ? id : ids
    return [
      {
        severity: 'error',
        place: file,
        found:
          names.length === 0
            ? `no stop token, and the template ends turns with ${token}`
            : `stops at ${names.join(' and ')}, and the template ends turns with ${token}`,
        evidence: [{ token, says: `id ${id}, missing in eos_token_id` }],
        why: 'The model ends its answer and generation goes on: it writes the next question too.',
        cure: isGguf
          ? `Convert the model anew with tokenizer.ggml.eot_token_id ${id}.`
          : `Set eos_token_id to ${JSON.stringify(value)} there.`,
        ...(!isGguf && {
          fix: {
            file,
            describe: `eos_token_id is ${JSON.stringify(value)}`,
            apply: () => changeJsonFile(file, { ...raw, eos_token_id: value }),
          },
        }),
      },
    ]
  },
}
