import { join } from 'node:path'
import type { Check } from '../../check.ts'
import { changeJsonFile } from '../../json-file.ts'
import { templateStops } from '../../patient.ts'

/** Files that name different eos tokens, none of which the others accept. */
export const stopTokenDisagreement: Check = {
  looksFor: 'eos tokens of tokenizer, config.json and generation_config.json that contradict one another',
  examine(patient) {
    const { model, adapter, tokenizer: facts } = patient
    // An adapter's tokenizer may well differ from its base model's; that is compared elsewhere.
    if (model === undefined || facts === undefined || model.isGguf || adapter !== undefined) return []
    const { eosToken, eosTokenId } = facts.tokenizer
    if (eosTokenId === undefined) return []
    const configured = [model.config['eos_token_id']].flat().filter((id) => typeof id === 'number')
    // Where the template ends turns with eos too, another check says it.
    const isSaid = eosToken !== undefined && templateStops(patient)?.[0] === eosToken
    const generated =
      model.hasGenerationConfig && !isSaid
        ? [model.generationConfig.raw['eos_token_id']].flat().filter((id) => typeof id === 'number')
        : []
    const wrong = (
      [
        ['config.json', configured],
        ['generation_config.json', generated],
      ] as const
    ).filter(([, ids]) => ids.length > 0 && !ids.includes(eosTokenId))
    return wrong.map(([name, ids]) => {
      const file = join(model.path, name)
      const names = ids.map((id) => facts.tokenizer.convertIdsToTokens(id) ?? `id ${id}`)
      const merged = [eosTokenId, ...ids.filter((id) => id !== facts.tokenizer.padTokenId)]
      const value = merged.length === 1 ? eosTokenId : merged
      return {
        severity: 'warning',
        place: file,
        found: `eos is ${names.join(' and ')}, and the tokenizer's is ${eosToken}`,
        evidence: [{ place: facts.path, token: eosToken ?? '', says: `id ${eosTokenId}` }],
        why: 'Which of them ends an answer depends on who asks: one server stops, another runs on.',
        cure: `Set eos_token_id to ${JSON.stringify(value)} there, or correct the tokenizer's eos_token.`,
        fix: {
          file,
          describe: `eos_token_id is ${JSON.stringify(value)}`,
          apply: () => changeJsonFile(file, { eos_token_id: value }),
        },
      }
    })
  },
}
