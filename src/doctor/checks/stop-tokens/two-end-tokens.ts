import type { Check } from '../../check.ts'
import { templateStops } from '../../patient.ts'

/** Turns end in one token, texts in another, as with Llama 3: each must be known everywhere. */
export const twoEndTokens: Check = {
  looksFor: "a tokenizer's eos that is not what ends a turn",
  examine(patient) {
    const { tokenizer: facts, model } = patient
    const stops = templateStops(patient)
    if (facts === undefined || stops === undefined || stops.length === 0) return []
    const { eosToken, eosTokenId } = facts.tokenizer
    if (eosToken === undefined || eosTokenId === undefined || stops.includes(eosToken)) return []
    const [stop] = stops
    const stopId = facts.tokenizer.convertTokensToIds(stop)
    const ids = model?.generationConfig.eosTokenIds ?? []
    const areKnown = stopId !== undefined && ids.includes(stopId) && ids.includes(eosTokenId)
    return [
      {
        severity: areKnown ? 'note' : 'warning',
        place: facts.path,
        found: `two end tokens: turns end in ${stop}, the tokenizer's eos is ${eosToken}`,
        evidence: [
          { token: stop, says: 'written by the chat template' },
          { token: eosToken, says: 'eos_token of the tokenizer' },
        ],
        why: 'Tools that append or wait for eos only (vLLM, Unsloth and TRL did) train or stop at the wrong one.',
        cure: areKnown
          ? 'generation_config.json has both, so generation stops; keep it beside the weights.'
          : `List both in eos_token_id of generation_config.json, or make ${stop} the eos_token.`,
      },
    ]
  },
}
