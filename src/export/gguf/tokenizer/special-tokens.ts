import type { GgufEntry } from '../../../formats/index.ts'
import type { JsonObject, StopSet } from '../../../tokenizer/index.ts'
import { isObject, listOf, textOfToken, type TokenizerJson } from './tokenizer-json.ts'

type TokenRole = 'bos' | 'eos' | 'unk' | 'sep' | 'pad' | 'cls' | 'mask'

const roles = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const satisfies readonly TokenRole[]

/** What GGUF files call a token of this role. */
const keys: { readonly [R in TokenRole]: string } = {
  bos: 'bos',
  eos: 'eos',
  unk: 'unknown',
  sep: 'seperator',
  pad: 'padding',
  cls: 'cls',
  mask: 'mask',
}

/** Tokens at which llama.cpp stops wherever they are in a vocabulary. */
const knownEnds = new Set(
  [
    '<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|flush|> <|calls|> <end_of_turn> <|endoftext|> </s>',
    '<|eom_id|> <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance> <eos> <turn|> <|tool_response>',
    '<｜end▁of▁sentence｜> [e~[',
  ].flatMap((names) => names.split(' ')),
)

/** What of the files decides which tokens have roles. */
export interface SpecialTokenFiles {
  tokenizer: TokenizerJson
  /** tokenizer_config.json */
  config: JsonObject
  /** config.json */
  model: JsonObject
  stopSet: StopSet
}

/**
 * Ids of tokens with a role, whether beginnings and ends are added, and further ends of turns.
 * Source: SpecialVocab of gguf-py (vocab.py), https://github.com/ggml-org/llama.cpp
 */
export function specialTokenEntries({
  tokenizer,
  config,
  model,
  stopSet,
}: SpecialTokenFiles): Map<string, GgufEntry> {
  const named = namedTokens(config)
  const adds = addedAround(tokenizer, named)
  const entries = new Map<string, GgufEntry>()
  const ids = new Map<TokenRole, number>()
  for (const role of roles) {
    const token = named.get(role)
    const id = tokenizer.added.find(({ content }) => content === token)?.id
    const fallback = model[`${role}_token_id`]
    const found = id ?? (typeof fallback === 'number' && Number.isInteger(fallback) ? fallback : undefined)
    if (found !== undefined && found >= 0) ids.set(role, found)
    const flag = config[`add_${role}_token`]
    if (typeof flag === 'boolean' && !adds.has(role)) adds.set(role, flag)
  }
  for (const [role, id] of ids)
    entries.set(`tokenizer.ggml.${keys[role]}_token_id`, { type: 'u32', value: id })
  const others = stopSet.tokens.filter(({ id, token }) => id !== ids.get('eos') && !knownEnds.has(token))
  for (const [i, name] of (['eot', 'eom'] as const).entries())
    if (others[i]) entries.set(`tokenizer.ggml.${name}_token_id`, { type: 'u32', value: others[i].id })
  for (const [role, value] of adds) entries.set(`tokenizer.ggml.add_${role}_token`, { type: 'bool', value })
  return entries
}

/** By role, as tokenizer_config.json names them. */
function namedTokens(config: JsonObject): Map<TokenRole, string> {
  const named = new Map<TokenRole, string>()
  for (const role of roles) {
    const token = textOfToken(config[`${role}_token`])
    if (token !== undefined) named.set(role, token)
  }
  const [bos, eos] = [named.get('bos') ?? named.get('cls'), named.get('eos') ?? named.get('sep')]
  if (bos !== undefined) named.set('bos', bos)
  if (eos !== undefined) named.set('eos', eos)
  return named
}

/** Whether the post-processor puts a beginning before a text and an end behind it; a token that has no role takes the place of one. */
function addedAround(
  { postProcessor }: TokenizerJson,
  named: Map<TokenRole, string>,
): Map<TokenRole, boolean> {
  const adds = new Map<TokenRole, boolean>()
  const processors = listOf(postProcessor['processors'])
  for (const processor of processors.length > 0 ? processors : [postProcessor]) {
    if (processor['type'] === 'ByteLevel')
      for (const role of ['bos', 'eos'] as const) if (!adds.has(role)) adds.set(role, false)
    if (processor['type'] === 'RobertaProcessing')
      for (const role of ['bos', 'eos', 'sep'] as const) adds.set(role, true)
    if (processor['type'] !== 'TemplateProcessing') continue
    const single = listOf(processor['single'])
    if (single.length < 2) continue
    const [first, last] = [single[0], single[single.length - 1]].map(specialOf)
    if (first !== undefined) {
      if (!named.has('bos')) named.set('bos', first)
      adds.set('bos', first === named.get('bos') || first === named.get('cls'))
    }
    if (last !== undefined) {
      named.set('eos', last)
      adds.set('eos', true)
    }
    const middle = betweenPair(listOf(processor['pair']), first, last)
    if (!middle) continue
    const ends = [named.get('sep'), named.get('eos')].filter((token) => token !== undefined)
    const [one, two] = middle.map(specialOf)
    const isOne = one !== undefined && ends.includes(one) && last === undefined
    adds.set('sep', isOne || (two !== undefined && ends.includes(two)))
  }
  return adds
}

/** What stands between two texts, where something does. */
function betweenPair(
  pair: readonly JsonObject[],
  first: string | undefined,
  last: string | undefined,
): readonly JsonObject[] | undefined {
  const start = first !== undefined && pair[0] && specialOf(pair[0]) === first ? 1 : 0
  const end =
    last !== undefined && specialOf(pair[pair.length - 1] ?? {}) === last ? pair.length - 1 : pair.length
  const inner = pair.slice(start, end)
  const isText = (step: JsonObject | undefined) => step !== undefined && isObject(step['Sequence'])
  return inner.length > 2 && isText(inner[0]) && isText(inner.at(-1)) ? inner.slice(1, -1) : undefined
}

function specialOf(step: JsonObject): string | undefined {
  const special = step['SpecialToken']
  return isObject(special) && typeof special['id'] === 'string' ? special['id'] : undefined
}
