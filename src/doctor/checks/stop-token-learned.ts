import type { Check } from '../check.ts'
import { countOf, createTally } from '../check.ts'
import { excerptOf } from '../finding.ts'
import { templateStops, type Patient } from '../patient.ts'

/** Ids that end a turn, by template, tokenizer and generation_config.json. */
function stopIds(patient: Patient): Set<number> {
  const { tokenizer: facts, model } = patient
  if (facts === undefined) return new Set()
  const ids = (templateStops(patient) ?? []).map((token) => facts.tokenizer.convertTokensToIds(token))
  const all = [...ids, facts.tokenizer.eosTokenId, ...(model?.generationConfig.eosTokenIds ?? [])]
  return new Set(all.filter((id) => id !== undefined))
}

/**
 * Stop tokens that stand in the data and are masked, and tokenised answers without one. What fettle renders itself
 * ends in a learned stop token or is reported as span without stop.
 */
export const stopTokenLearned: Check = {
  looksFor: 'stop tokens that are masked or missing behind learned tokens',
  observe(patient) {
    const stops = stopIds(patient)
    const tokenizer = patient.tokenizer?.tokenizer
    if (tokenizer === undefined || stops.size === 0) return undefined
    const masked = createTally()
    const missing = createTally()
    let turns = 0
    return {
      example({ place, conversation, example: { inputIds, mask, spans } }) {
        if (conversation.kind !== 'tokens') return
        for (const { start, end } of spans) {
          turns += 1
          if (stops.has(inputIds[end - 1])) continue
          const next = inputIds[end]
          const isMasked = next !== undefined && stops.has(next) && mask[end] === 0
          const tally = isMasked ? masked : missing
          tally.add(() => {
            const before = tokenizer.decode(inputIds.subarray(start, end))
            const after = tokenizer.decode(inputIds.subarray(end, end + 8))
            const token = isMasked ? tokenizer.convertIdsToTokens(next) : undefined
            return {
              place,
              ...(token !== undefined && { token }),
              excerpt: excerptOf(before + after, Math.max(0, before.length - 40), before.length),
            }
          })
        }
      },
      finish: () => [
        ...(masked.count === 0
          ? []
          : [
              {
                severity: 'error' as const,
                place: masked.evidence[0]?.place ?? '',
                found: `the stop token is masked behind ${countOf(masked.count, 'answer')} of ${turns}`,
                evidence: masked.evidence,
                why: 'The model learns what to say and never that it ends: generation runs on. A collator that masks labels by the pad id does this when pad is eos.',
                cure: 'Tokenise the data anew with labels on the stop token, or give fettle the messages instead of tokens.',
              },
            ]),
        ...(missing.count === 0
          ? []
          : [
              {
                severity: missing.count === turns ? ('error' as const) : ('warning' as const),
                place: missing.evidence[0]?.place ?? '',
                found: `no stop token behind ${countOf(missing.count, 'learned stretch', 'learned stretches')} of ${turns}`,
                evidence: missing.evidence,
                why: 'Who never sees an answer end does not learn to end one.',
                cure: 'Append the eos token to every answer (add_eos_token), or give fettle the messages instead of tokens.',
              },
            ]),
      ],
    }
  },
}
