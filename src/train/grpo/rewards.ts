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
 * @throws FettleError where one throws, or returns what is no finite number; the signal's reason: a function may wait for ever
 */
export async function rewardsOf(
  functions: readonly NamedReward[],
  judged: readonly Judged[],
  signal?: AbortSignal,
): Promise<number[][]> {
  const all: number[][] = []
  for (const each of judged)
    all.push(await orAborted(Promise.all(functions.map((named) => ask(named, each))), signal))
  return all
}

/** Waits for it until the signal comes. */
async function orAborted<T>(waiting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return waiting
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([waiting, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function ask(
  { name, reward }: NamedReward,
  { completion, row, place, context }: Judged,
): Promise<number> {
  const expected = 'a finite number, or null where it does not apply'
  let given: unknown
  try {
    given = await reward(completion, row, context)
  } catch (error) {
    throw new FettleError(
      {
        place: `${place}: reward ${name}`,
        found: `the function threw: ${shortened(messageOf(error))}`,
        expected,
      },
      { cause: error },
    )
  }
  if (given === null || given === undefined) return Number.NaN
  if (typeof given === 'number' && Number.isFinite(given)) return given
  throw new FettleError({
    place: `${place}: reward ${name}`,
    found: typeof given === 'number' ? String(given) : quoteValue(given),
    expected,
    cure: cureOf(given) ?? `It was asked about ${quoteValue(shortened(completion))}.`,
  })
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
