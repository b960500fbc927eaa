import type { GgufEntry } from '../../../formats/index.ts'
import type { JsonObject, StopSet } from '../../../tokenizer/index.ts'
import { knownEnds } from './known-ends.ts'
import { isJsonObject } from '../../../formats/foreign/index.ts'
import { listOf, textOfToken, type TokenizerJson } from './tokenizer-json.ts'

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
  for (const [role, id] of ids) entries.set(idKey(keys[role]), { type: 'u32', value: id })
  nameTurnEnds(entries, stopSet)
  for (const [role, value] of adds) entries.set(`tokenizer.ggml.add_${role}_token`, { type: 'bool', value })
  return entries
}

const idKey = (role: string) => `tokenizer.ggml.${role}_token_id`

/** Stop tokens that neither entries name nor llama.cpp knows by their texts. */
export function unnamedStops(
  entries: ReadonlyMap<string, GgufEntry>,
  { tokens }: StopSet,
): { id: number; token: string }[] {
  const named = new Set(['eos', 'eot', 'eom'].map((role) => Number(entries.get(idKey(role))?.value)))
  return tokens.filter(({ id, token }) => !named.has(id) && !knownEnds.has(token))
}

/** Gives the places for ends of turns and of messages, where they are free, to stop tokens that have none. */
export function nameTurnEnds(entries: Map<string, GgufEntry>, stopSet: StopSet): void {
  for (const role of ['eot', 'eom']) {
    const [stop] = unnamedStops(entries, stopSet)
    if (stop && !entries.has(idKey(role))) entries.set(idKey(role), { type: 'u32', value: stop.id })
  }
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
  const isText = (step: JsonObject | undefined) => step !== undefined && isJsonObject(step['Sequence'])
  return inner.length > 2 && isText(inner[0]) && isText(inner.at(-1)) ? inner.slice(1, -1) : undefined
}

function specialOf(step: JsonObject): string | undefined {
  const special = step['SpecialToken']
  return isJsonObject(special) && typeof special['id'] === 'string' ? special['id'] : undefined
}
