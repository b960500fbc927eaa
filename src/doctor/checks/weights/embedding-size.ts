import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import { embeddingOf } from '../../model-files.ts'
import type { Patient } from '../../patient.ts'
import { plural } from '../../../plural.ts'

/** Rows of the embedding that is used: an adapter may bring a larger one. */
function rowsOf({ model, adapter }: Patient): { rows: number; place: string } | undefined {
  const own = [...(adapter?.tensors ?? [])].find(([name]) => /embed_tokens(\.[\w.]*)?weight$/.test(name))
  if (own && adapter && !own[0].includes('lora')) return { rows: own[1].shape[0], place: adapter.path }
  const base = model && embeddingOf(model)
  return base && model ? { rows: base.rows, place: model.path } : undefined
}

/** Tokens without a row in the embedding. */
export const embeddingSize: Check = {
  looksFor: 'tokens that the embedding has no row for',
  examine(patient) {
    const { tokenizer: facts } = patient
    const embedding = rowsOf(patient)
    if (facts === undefined || embedding === undefined) return []
    const { tokenizer } = facts
    const beyond = [...tokenizer.addedTokens].filter(([, { id }]) => id >= embedding.rows)
    // Ids may have gaps, so the length of the vocabulary alone can be too small.
    const needed = Math.max(tokenizer.length, ...beyond.map(([, { id }]) => id + 1))
    if (needed <= embedding.rows) return []
    return [
      {
        severity: 'error',
        place: embedding.place,
        found: `the embedding has ${embedding.rows} rows and the tokenizer (${facts.path}) ${needed} tokens`,
        evidence: beyond.slice(0, 3).map(([token, { id }]) => ({ token, says: `id ${id}` })),
        why: 'The first text with such a token ends the run, or reads memory that is not the embedding.',
        cure: 'Resize with model.resizeTokenEmbeddings(tokenizer.length), or use setupChatFormat, which does; or use the tokenizer that belongs to these weights.',
      },
    ]
  },
  observe(patient) {
    const embedding = rowsOf(patient)
    if (embedding === undefined) return undefined
    const tally = createTally()
    return {
      conversation(conversation, place) {
        if (conversation.kind !== 'tokens') return
        const at = conversation.inputIds.findIndex((id) => id < 0 || id >= embedding.rows)
        if (at >= 0) tally.add(() => ({ place, says: `input_ids[${at}] is ${conversation.inputIds[at]}` }))
      },
      finish: () =>
        tally.count === 0
          ? []
          : [
              {
                severity: 'error',
                place: tally.evidence[0]?.place ?? '',
                found: `${plural(tally.count, 'row has', 'rows have')} token ids beyond the ${embedding.rows} of this model`,
                evidence: tally.evidence,
                why: 'These rows were tokenised for another model; the ids that do exist mean other tokens too.',
                cure: 'Tokenise the data with the tokenizer of the model that is trained.',
              },
            ],
    }
  },
}
