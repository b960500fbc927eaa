import { FettleError, messageOf, quoteValue } from '../../error.ts'

/** What a reward function is told besides the text of a completion and its row. */
export interface RewardContext {
  /** The prompt as its row has it: a text, or messages. */
  prompt: unknown
  promptIds: readonly number[]
  /** The tokens of the completion, with the stop token where it ended in one. */
  completionIds: readonly number[]
  /** Whether it ended by itself, or was cut off at max_completion_length. */
  finishReason: 'stop' | 'length'
}

/**
 * How good a completion is: a number, or null where the function does not apply to the row. It gets the text of the completion without
 * special tokens, and the row of the data with all its columns.
 */
export type RewardFunction = (
  completion: string,
  row: Record<string, unknown>,
  context: RewardContext,
) => number | null | undefined | Promise<number | null | undefined>

/** A function, and what metrics and errors call it. */
export interface NamedReward {
  name: string
  reward: RewardFunction
}

/** A completion to be judged. */
export interface Judged {
  completion: string
  row: Record<string, unknown>
  /** Of its row, for errors: `prompts.jsonl:4`. */
  place: string
  context: RewardContext
}

/** Functions with names of their own: `length`, `length_2`. */
export function nameRewards(functions: readonly RewardFunction[]): NamedReward[] {
  const taken = new Map<string, number>()
  return functions.map((reward, i) => {
    const name = reward.name === '' ? `reward_${i + 1}` : reward.name
    const before = taken.get(name) ?? 0
    taken.set(name, before + 1)
    return { name: before === 0 ? name : `${name}_${before + 1}`, reward }
  })
}

/**
 * Asks every function about every completion; those of a completion together.
 *
 * @returns  [completions][functions]; NaN where one does not apply
 * @throws FettleError where one throws, never answers, or returns what is no finite number; the signal's reason, which is not kept waiting
 */
export async function rewardsOf(
  functions: readonly NamedReward[],
  judged: readonly Judged[],
  signal?: AbortSignal,
): Promise<number[][]> {
  const all: number[][] = []
  for (const each of judged) all.push(await Promise.all(functions.map((named) => ask(named, each, signal))))
  return all
}

async function ask(
  { name, reward }: NamedReward,
  { completion, row, place, context }: Judged,
  signal: AbortSignal | undefined,
): Promise<number> {
  const problem = {
    place: `${place}: reward ${name}`,
    expected: 'a finite number, or null where it does not apply',
  }
  let given: unknown
  try {
    given = await settled(reward(completion, row, context), signal)
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) throw error
    const found = `the function threw: ${shortened(messageOf(error))}`
    throw new FettleError(
      {
        ...problem,
        found,
        ...(error instanceof TypeError && { cure: 'It is called as (completion, row, context).' }),
      },
      { cause: error },
    )
  }
  if (given === null || given === undefined) return Number.NaN
  if (typeof given === 'number' && Number.isFinite(given)) return given
  throw new FettleError({
    ...problem,
    found: foundOf(given),
    cure: cureOf(given) ?? `It was asked about ${quoteValue(shortened(completion))}.`,
  })
}

/** What a promise gives that nothing in the process will settle any more. */
const never = Symbol('never')

/** What a function gives, unless the signal comes first, or there is nothing left that could give it. */
async function settled(given: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  if (!(given instanceof Promise)) return given
  const listeners = new AbortController()
  const { signal: done } = listeners
  const end = new Promise<typeof never>((resolve, reject) => {
    const stop = (): void => reject(signal?.reason as Error)
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { signal: done })
    // Node would end the process, and with it the run.
    const idle = (): void => resolve(never)
    process.once('beforeExit', idle)
    done.addEventListener('abort', () => process.off('beforeExit', idle))
  })
  try {
    return await Promise.race([given, end])
  } finally {
    listeners.abort()
  }
}

function foundOf(given: unknown): string {
  if (given === never) return 'a promise that nothing settles'
  return typeof given === 'bigint' ? `${given} (bigint)` : quoteValue(given)
}

/** What to do where the function was written for something else. */
function cureOf(given: unknown): string | undefined {
  if (typeof given === 'boolean') return 'Return 1 for true and 0 for false.'
  if (Array.isArray(given))
    return "It is asked about one completion at a time, unlike TRL's functions: (completion, row) => number."
  return undefined
}

function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
