import type { Check } from '../../check.ts'
import { excerptOf, type Draft } from '../../diagnosis.ts'
import type { TokenizerFacts } from '../../patient.ts'

/** An adapter that is served with another tokenizer or template than it was trained with. */
export const adapterMatchesBase: Check = {
  looksFor: "an adapter's tokenizer and template that are not the base model's",
  examine({ adapter, model, tokenizer, baseTokenizer, finished }) {
    if (adapter === undefined) return []
    if (model === undefined) {
      const named = adapter.config['base_model_name_or_path']
      return [
        {
          severity: 'note',
          place: `${adapter.path}/adapter_config.json`,
          found: `the base model ${JSON.stringify(named ?? null)} is not on this machine`,
          evidence: [],
          why: 'Without it, only half of the checks can be made.',
          cure: 'Give its folder with --model.',
        },
      ]
    }
    const hasOwn = tokenizer?.path === adapter.path
    if (!hasOwn)
      return finished === undefined
        ? []
        : [
            {
              severity: 'note',
              place: adapter.path,
              found: 'no tokenizer beside the adapter',
              evidence: [],
              why: 'If the run changed the template or added tokens, nobody who serves the adapter knows.',
              cure: "Save the tokenizer that the run used into the adapter's folder.",
            },
          ]
    return tokenizer && baseTokenizer ? compare(tokenizer, baseTokenizer) : []
  },
}

function compare(own: TokenizerFacts, base: TokenizerFacts): Draft[] {
  const drafts: Draft[] = []
  const ids = [...base.tokenizer.addedTokens].filter(
    ([token, { id }]) => (own.tokenizer.convertTokensToIds(token) ?? id) !== id,
  )
  if (own.tokenizer.vocabSize !== base.tokenizer.vocabSize || ids.length > 0)
    drafts.push({
      severity: 'error',
      place: own.path,
      found:
        ids.length > 0
          ? `tokens with other ids than in ${base.path}`
          : `a vocabulary of ${own.tokenizer.vocabSize} tokens, and ${base.path} has ${base.tokenizer.vocabSize}`,
      evidence: ids.slice(0, 3).map(([token, { id }]) => ({
        token,
        says: `${own.tokenizer.convertTokensToIds(token)} here, ${id} there`,
      })),
      why: 'The same text becomes other tokens: the adapter does not fit this base model.',
      cure: 'Use the base model that it was trained on.',
    })
  const [mine, theirs] = [own.tokenizer.chatTemplate, base.tokenizer.chatTemplate]
  if (mine !== theirs) drafts.push(templateDraft(own, base, mine, theirs))
  return drafts
}

function templateDraft(
  own: TokenizerFacts,
  base: TokenizerFacts,
  mine: string | undefined,
  theirs: string | undefined,
): Draft {
  const evidence = []
  if (mine !== undefined && theirs !== undefined) {
    let at = 0
    while (at < mine.length && mine[at] === theirs[at]) at += 1
    evidence.push(
      { place: own.path, excerpt: excerptOf(mine, at, Math.min(mine.length, at + 60)) },
      { place: base.path, excerpt: excerptOf(theirs, at, Math.min(theirs.length, at + 60)) },
    )
  }
  return {
    severity: 'warning',
    place: own.path,
    found:
      mine === undefined
        ? 'no chat template, and the base model has one'
        : theirs === undefined
          ? 'a chat template, and the base model has none'
          : "another chat template than the base model's",
    evidence,
    why: "Servers load the base model's tokenizer unless told otherwise; then chats are written as the adapter never saw them.",
    cure:
      mine === undefined
        ? "Save the template with the adapter's tokenizer."
        : 'Serve with the tokenizer of the adapter, or merge it with fettle merge, which saves both together.',
  }
}
