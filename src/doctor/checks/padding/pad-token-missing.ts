import type { Check } from '../../check.ts'
import { padFix } from './pad-fix.ts'

/** No pad token: batches of different lengths cannot be made. */
export const padTokenMissing: Check = {
  looksFor: 'a missing pad token',
  async examine(patient) {
    const { tokenizer: facts } = patient
    if (facts === undefined || facts.tokenizer.padToken !== undefined) return []
    const fix = await padFix(patient)
    return [
      {
        severity: 'warning',
        place: facts.path,
        found: 'no pad token',
        evidence: [],
        why: 'fettle pads by position and needs none. Servers and other trainers stop here, or take eos, and then masking by id teaches the model never to stop.',
        cure: fix
          ? `Use a token that is free: ${fix.describe}.`
          : 'Add one: ensurePadToken(tokenizer) chooses it.',
        ...(fix && { fix }),
      },
    ]
  },
}
