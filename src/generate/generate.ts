import { FettleError } from '../error.ts'
import { createRandom } from '../random.ts'
import type { Decoder, FedTokens } from './decoder.ts'
import type { Drafter } from './drafter.ts'
import { finiteChoice, isGreedy, nextTokens } from './next-tokens.ts'
import type { Chooser } from './next-tokens.ts'
import { readSettings } from './options.ts'
import type { GenerateOptions, Settings } from './options.ts'
import { createPromptLookup } from './prompt-lookup.ts'
import { createRules } from './rules.ts'
import type { NextRule } from './rules.ts'
import { sharedBeginnings } from './shared-beginning.ts'
import { createStopListener } from './stop-strings.ts'
import type { StopListener } from './stop-strings.ts'
import { plural } from '../plural.ts'

/** Why a sequence ended: a stop token or stop string, no more room, or the caller's signal. */
export type FinishReason = 'stop' | 'length' | 'abort'

/** What was generated for one prompt. */
export interface Sequence {
  /** New tokens; the last is the stop token when that is the reason. */
  tokenIds: number[]
  finishReason: FinishReason
}

/** A prompt on its way to a sequence. */
interface Row extends Sequence, Chooser {
  index: number
  prompt: readonly number[]
  seen: Set<number>
  /** Hears the answer, where there are stop strings. */
  listener: StopListener | undefined
}

/** Prompt tokens a pass: enough to keep the kernels busy, few enough that memory stays small and a signal is heard. */
const chunkTokens = 1024

/**
 * Continues each prompt until a stop token, `maxNewTokens` or the decoder's capacity. Prompt i lives in slot i.
 * Sequences end independently of each other, and those that have ended cost nothing more.
 * What prompts have in common at their beginning is computed once.
 *
 * With `promptLookupNumTokens` or an assistant the tokens that may follow are guessed, and one pass of the decoder checks all guesses: of
 * each pass those tokens are kept that would have been chosen without guesses, with the same random numbers.
 * Source: Leviathan et al. 2022, https://arxiv.org/abs/2211.17192
 *
 * @throws FettleError for options and prompts that cannot be used
 */
export async function generateSequences(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
): Promise<Sequence[]> {
  const settings = readSettings(options)
  checkPrompts(decoder, prompts)
  const drafter = drafterOf(options, settings, prompts.length)
  const stops = new Set(options.stopTokenIds)
  const rules = createRules(settings, stops)
  const rows = prompts.map((prompt, index) => startRow(prompt, index, settings, options))

  const active = new Set(rows)
  /** Tokens that a row may still get. */
  const roomOf = ({ prompt, tokenIds }: Row): number =>
    Math.min(settings.maxNewTokens, decoder.capacity - prompt.length) - tokenIds.length
  /** What may come after a row and some tokens that may follow it. */
  const ruleOf = (row: Row, drafts: readonly number[] = []): NextRule | null => {
    if (rules.areOver({ promptLength: row.prompt.length }, row.tokenIds.length + drafts.length)) return null
    const tokens = [...sequenceOf(row), ...drafts]
    return rules.next({ tokens, promptLength: row.prompt.length, room: roomOf(row) - drafts.length })
  }
  /** Where in the file's rows the next token of a row stands. */
  const placeOf = ({ index, tokenIds }: Row): string =>
    `logits of row ${settings.firstRow + index}, token ${tokenIds.length + 1}`
  const accept = (row: Row, token: number): void => {
    row.tokenIds.push(token)
    row.seen.add(token)
    const isStop = row.listener?.push(token) === true || stops.has(token)
    const finishReason = isStop ? 'stop' : roomOf(row) <= 0 ? 'length' : null
    if (finishReason !== null) {
      row.finishReason = finishReason
      active.delete(row)
    }
    options.onToken?.(token, row.index, finishReason)
  }
  /** One pass of the model, and the tokens that follow from it. */
  const feed = async (pass: readonly Fed[], promptLength?: number): Promise<void> => {
    const ending = pass.flatMap(({ isLast }, i) => (isLast ? [i] : []))
    // A pass from the middle of a prompt asks for its last row, to ask for something; the answer is not used.
    const wanted = {
      rows: Int32Array.from(ending.length > 0 ? ending : [pass.length - 1]),
      rules: ending.map((at) => ruleOf(pass[at].row)),
      mostSeen: Math.max(0, ...ending.map((at) => pass[at].row.seen.size)),
    }
    const tokens = { ...fedTokens(pass), ...(promptLength !== undefined && { promptLength }) }
    const choose = await nextTokens(decoder, tokens, wanted, settings)
    ending.forEach((at, i) => accept(pass[at].row, choose(i, pass[at].row, placeOf(pass[at].row))))
  }

  const held = prompts.map((_, slot) => decoder.resumable(slot, options.cachedTokens?.[slot] ?? 0))
  const copies = sharedBeginnings(prompts, held, decoder.rewinds)
  const copied = new Map(copies.map(({ slot, count }) => [slot, count]))
  const heldOf = ({ index }: Row): number => copied.get(index) ?? held[index]
  const longest = prompts.reduce((length, prompt) => Math.max(length, prompt.length), 0)
  const readPrompts = async (some: readonly Row[]): Promise<void> => {
    for (const pass of promptPasses(some, heldOf)) {
      if (options.signal?.aborted) return
      await feed(pass, longest)
    }
  }
  await readPrompts(rows.filter(({ index }) => !copied.has(index)))
  if (copies.length > 0 && !options.signal?.aborted) {
    await decoder.copySlots(copies)
    await readPrompts(rows.filter(({ index }) => copied.has(index)))
  }
  const isFree = ({ prompt, tokenIds }: Row): boolean =>
    rules.areOver({ promptLength: prompt.length }, tokenIds.length)
  while (active.size > 0 && !options.signal?.aborted) {
    const [first] = active
    const drafts = await drafter?.draft(sequenceOf(first), Math.min(roomOf(first) - 1, decoder.rewinds))
    if (drafts !== undefined && drafts.length > 0) {
      await verify(first, drafts)
      continue
    }
    const pass = [...active].map((row): Fed => {
      const position = row.prompt.length + row.tokenIds.length - 1
      return { row, id: row.tokenIds[row.tokenIds.length - 1], position, isLast: true }
    })
    if (!isGreedy(settings) || !pass.every(({ row }) => isFree(row))) await feed(pass)
    else
      await decoder.continueGreedily(
        fedTokens(pass),
        Math.min(...pass.map(({ row }) => roomOf(row))),
        (best) => {
          pass.forEach(({ row }, i) => accept(row, finiteChoice(best[i], placeOf(row))))
          return (
            active.size === pass.length &&
            options.signal?.aborted !== true &&
            drafter?.canDraft(sequenceOf(first)) !== true
          )
        },
      )
  }
  return rows.map(({ tokenIds, finishReason }) => ({ tokenIds, finishReason }))

  /** One pass over a row's last token and what is guessed to follow it. What was guessed wrongly is overwritten later. */
  async function verify(row: Row, drafts: readonly number[]): Promise<void> {
    const last = row.prompt.length + row.tokenIds.length - 1
    const ids = [row.tokenIds[row.tokenIds.length - 1], ...drafts]
    const pass = ids.map((id, i): Fed => ({ row, id, position: last + i, isLast: true }))
    const wanted = {
      rows: Int32Array.from(ids.keys()),
      rules: ids.map((_, i) => ruleOf(row, drafts.slice(0, i))),
      mostSeen: row.seen.size + drafts.length,
    }
    const choose = await nextTokens(decoder, fedTokens(pass), wanted, settings)
    for (let i = 0; i < ids.length; i += 1) {
      const token = choose(i, row, placeOf(row))
      accept(row, token)
      if (!active.has(row) || options.signal?.aborted || token !== drafts[i]) return
    }
  }
}

function startRow(
  prompt: readonly number[],
  index: number,
  { repetitionPenalty, seed, firstRow, stopStrings }: Settings,
  { tokenizer }: GenerateOptions,
): Row {
  return {
    index,
    prompt,
    tokenIds: [],
    finishReason: 'abort',
    seen: new Set(repetitionPenalty === 1 ? [] : prompt),
    // The golden ratio spreads neighbouring rows over the seeds.
    random: createRandom(seed + Math.imul(firstRow + index, 0x9e3779b9)),
    listener: stopStrings.length > 0 && tokenizer ? createStopListener(stopStrings, tokenizer) : undefined,
  }
}

/** Prompt and answer so far. */
function sequenceOf({ prompt, tokenIds }: Row): number[] {
  return [...prompt, ...tokenIds]
}

function drafterOf(
  { drafter }: GenerateOptions,
  { promptLookupNumTokens }: Settings,
  prompts: number,
): Drafter | undefined {
  if (promptLookupNumTokens === 0 && !drafter) return undefined
  const place = drafter ? 'assistant' : 'promptLookupNumTokens'
  if (drafter && promptLookupNumTokens > 0)
    throw new FettleError({
      place,
      found: 'promptLookupNumTokens as well',
      expected: 'one way to guess tokens',
      cure: 'Leave one of the two out.',
    })
  if (prompts !== 1)
    throw new FettleError({
      place,
      found: `${plural(prompts, 'prompt')} at once`,
      expected: 'one prompt: guesses that fail in one row would hold up the others',
      cure: 'Generate one prompt at a time, or without guesses.',
    })
  return drafter ?? createPromptLookup(promptLookupNumTokens)
}

/** The new tokens of each prompt: `generateSequences` without the reasons. */
export async function generateTokens(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
): Promise<number[][]> {
  const sequences = await generateSequences(decoder, prompts, options)
  return sequences.map(({ tokenIds }) => tokenIds)
}

/** A token to feed; after the last one of its row a next token is chosen. */
interface Fed {
  row: Row
  id: number
  position: number
  isLast: boolean
}

/** Some prompts end to end, without what their slots hold, in passes of `chunkTokens`. */
function* promptPasses(rows: readonly Row[], heldOf: (row: Row) => number): Generator<Fed[]> {
  let pass: Fed[] = []
  for (const row of rows) {
    const last = row.prompt.length - 1
    // The last token is always fed, since the next one is chosen from what comes out after it.
    for (let position = Math.min(heldOf(row), last); position <= last; position += 1) {
      pass.push({ row, id: row.prompt[position], position, isLast: position === last })
      if (pass.length < chunkTokens) continue
      yield pass
      pass = []
    }
  }
  if (pass.length > 0) yield pass
}

function fedTokens(pass: readonly Fed[]): FedTokens {
  return {
    ids: Int32Array.from(pass, ({ id }) => id),
    slots: Int32Array.from(pass, ({ row }) => row.index),
    positions: Int32Array.from(pass, ({ position }) => position),
  }
}

function checkPrompts(decoder: Decoder, prompts: readonly (readonly number[])[]): void {
  const problems = prompts.flatMap((prompt, i) => {
    const place = `prompt ${i}`
    if (prompt.length === 0)
      return [{ place, found: 'no tokens', expected: 'at least one', cure: 'Start with the bos token.' }]
    if (prompt.length > decoder.capacity)
      return [
        {
          place,
          found: plural(prompt.length, 'token'),
          expected: `at most ${decoder.capacity}, the room there is`,
        },
      ]
    return []
  })
  if (problems.length > 0) throw new FettleError(problems)
}
