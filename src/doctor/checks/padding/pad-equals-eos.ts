import type { Check } from '../../check.ts'
import { templateStops } from '../../patient.ts'
import { padFix } from './pad-fix.ts'

/** Tools whose usual collators mask labels wherever the id is the pad id. */
const maskById = new Set(['transformers', 'unsloth'])

/** The pad token also ends turns: whoever masks labels by its id masks the end of every answer. */
export const padEqualsEos: Check = {
  looksFor: 'a pad token that also ends turns',
  async examine(patient) {
    const { tokenizer: facts, finished } = patient
    const pad = facts?.tokenizer.padToken
    if (facts === undefined || pad === undefined) return []
    const stops = templateStops(patient) ?? []
    const isEos = pad === facts.tokenizer.eosToken
    if (!isEos && !stops.includes(pad)) return []
    const wasMasked = finished !== undefined && maskById.has(finished.maker)
    const fix = await padFix(patient)
    return [
      {
        severity: wasMasked ? 'error' : 'warning',
        place: facts.path,
        found: `the pad token is ${pad}, which ${isEos ? 'is eos' : 'ends turns'} too`,
        evidence: [{ token: pad, says: `id ${facts.tokenizer.padTokenId}` }],
        why: wasMasked
          ? `${finished.maker}'s language-model collator masks labels by the pad id: every eos was masked, and the model did not learn to stop.`
          : 'fettle masks by position, so it trains this right. Tools that mask labels by the pad id (DataCollatorForLanguageModeling) mask every eos, and the model never stops.',
        cure: `${fix ? `Use another pad token: ${fix.describe}` : 'Add a pad token of its own (pad policy new)'}${wasMasked ? ', and train again.' : '.'}`,
        ...(fix && { fix }),
      },
    ]
  },
}
