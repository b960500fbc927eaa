import { join } from 'node:path'
import { existsSync } from 'node:fs'
import type { Check } from '../check.ts'
import { changeJsonFile } from '../json-file.ts'
import { readGenerationConfig } from '../../tokenizer/index.ts'
import { templateStops, type Patient } from '../patient.ts'

/** The folder that a server would read, and the stop tokens that it would find there. */
async function served(
  patient: Patient,
): Promise<{ folder: string; ids: number[]; hasFile: boolean } | undefined> {
  const { adapter, model } = patient
  if (adapter && existsSync(join(adapter.path, 'generation_config.json'))) {
    const { eosTokenIds } = await readGenerationConfig(adapter.path)
    return { folder: adapter.path, ids: eosTokenIds, hasFile: true }
  }
  if (model === undefined) return undefined
  return {
    folder: model.path,
    ids: model.generationConfig.eosTokenIds,
    hasFile: model.hasGenerationConfig,
  }
}

/** The template ends turns with a token at which generation would not stop. */
export const stopTokenInGenerationConfig: Check = {
  looksFor: "the template's stop tokens in generation_config.json",
  async examine(patient) {
    const { tokenizer: facts } = patient
    const place = await served(patient)
    const stops = templateStops(patient)
    if (facts === undefined || place === undefined || stops === undefined) return []
    // Only the first: tokens like <|eom_id|> end a turn in some modes only.
    const [token] = stops.filter((stop) => facts.tokenizer.convertTokensToIds(stop) !== undefined)
    const id = token === undefined ? undefined : facts.tokenizer.convertTokensToIds(token)
    if (token === undefined || id === undefined || place.ids.includes(id)) return []
    const isGguf = place.folder.endsWith('.gguf')
    const file = isGguf ? place.folder : join(place.folder, 'generation_config.json')
    const names = place.ids.map((known) => facts.tokenizer.convertIdsToTokens(known) ?? String(known))
    const ids = [id, ...place.ids.filter((known) => known !== facts.tokenizer.padTokenId)]
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
          : `Set eos_token_id to ${ids.length === 1 ? id : JSON.stringify(ids)} there.`,
        ...(!isGguf && {
          fix: {
            file,
            describe: `eos_token_id is ${JSON.stringify(ids)}`,
            apply: () => changeJsonFile(file, { eos_token_id: ids.length === 1 ? id : ids }),
          },
        }),
      },
    ]
  },
}
