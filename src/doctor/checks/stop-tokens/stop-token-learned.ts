import type { Check } from '../../check.ts'
import { createTally, type SeenExample } from '../../check.ts'
import type { Tokenizer } from '../../../tokenizer/index.ts'
import { excerptOf } from '../../diagnosis.ts'
import { templateStops, type Patient } from '../../patient.ts'
import { plural } from '../../../plural.ts'

/** Ids that end a turn, by template, tokenizer and generation_config.json. */
function stopIds(patient: Patient): Set<number> {
  const { tokenizer: facts, model } = patient
  if (facts === undefined) return new Set()
  const ids = (templateStops(patient) ?? []).map((token) => facts.tokenizer.convertTokensToIds(token))
  const all = [...ids, facts.tokenizer.eosTokenId, ...(model?.generationConfig.eosTokenIds ?? [])]
  return new Set(all.filter((id) => id !== undefined))
}

/**
 * Stop tokens that stand in the data and are masked, and tokenised answers without one. What fettle renders itself ends
 * in a learned token that ends the turn, or is reported as span without stop; but a template may end earlier turns with
 * a token at which nobody stops.
 */
export const stopTokenLearned: Check = {
  looksFor:
    'stop tokens that are masked or missing behind learned tokens, and answers that end in a token at which nothing stops',
  observe(patient) {
    const stops = stopIds(patient)
    const tokenizer = patient.tokenizer?.tokenizer
    if (tokenizer === undefined || stops.size === 0) return undefined
    const masked = createTally()
    const missing = createTally()
    const passedOver = createTally()
    const passedTokens = new Set<string>()
    let turns = 0
    const observeAnswers = ({ place, example: { inputIds, spans } }: SeenExample) => {
      for (const { start, end, status, message } of spans) {
        if (status === 'no-stop') continue
        turns += 1
        const last = lastSaid(tokenizer, inputIds, start, end)
        if (stops.has(inputIds[last])) continue
        const token = tokenizer.convertIdsToTokens(inputIds[last]) ?? ''
        passedTokens.add(token)
        passedOver.add(() => {
          const before = tokenizer.decode(inputIds.subarray(start, last))
          const marked = tokenizer.decode(inputIds.subarray(last, last + 1))
          const after = tokenizer.decode(inputIds.subarray(last + 1, last + 9))
          const excerpt = excerptOf(before + marked + after, before.length, before.length + marked.length)
          return { place, token, says: `messages[${message}]`, excerpt }
        })
      }
    }
    return {
      example(seen) {
        const { place, conversation, example } = seen
        const { inputIds, mask, spans } = example
        if (conversation.kind === 'messages' && patient.run?.trainOnInput !== true) observeAnswers(seen)
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
        ...(passedOver.count === 0
          ? []
          : [
              {
                severity: 'warning' as const,
                place: passedOver.evidence[0]?.place ?? '',
                found: `${plural(passedOver.count, 'answer')} of ${turns} ${passedOver.count === 1 ? 'ends' : 'end'} in ${[...passedTokens].slice(0, 3).join(' ')}, at which no generation stops`,
                evidence: passedOver.evidence,
                why: 'The template ends these turns, earlier ones mostly, with another token than the last (gpt-oss: <|end|> instead of <|return|>). A model that learns to write it goes on behind it.',
                cure: 'Set per_turn: true, so that every answer is trained as the last one, or learn: last; or list the token in eos_token_id of generation_config.json where it does end a turn.',
              },
            ]),
        ...(masked.count === 0
          ? []
          : [
              {
                severity: 'error' as const,
                place: masked.evidence[0]?.place ?? '',
                found: `the stop token is masked behind ${plural(masked.count, 'answer')} of ${turns}`,
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
                found: `no stop token behind ${plural(missing.count, 'learned stretch', 'learned stretches')} of ${turns}`,
                evidence: missing.evidence,
                why: 'Who never sees an answer end does not learn to end one.',
                cure: 'Append the eos token to every answer (add_eos_token), or give fettle the messages instead of tokens.',
              },
            ]),
      ],
    }
  },
}

/** The last learned token that is no white space: some templates mark the newline behind the stop token, too. */
function lastSaid(tokenizer: Tokenizer, inputIds: Int32Array, start: number, end: number): number {
  let last = end - 1
  while (last > start && tokenizer.decode(inputIds.subarray(last, last + 1)).trim() === '') last -= 1
  return last
}
