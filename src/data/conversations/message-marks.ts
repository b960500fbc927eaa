import { FettleError } from '../../error.ts'
import { describeValue, numberOf } from '../../formats/json/index.ts'

/** Keys of a message that decide what is learned, and how each says it. */
const marks = {
  /** fettle's own. */
  train: 'boolean',
  /** Axolotl's. */
  training: 'boolean',
  /** ms-swift's: only answers have a loss. */
  loss: 'loss',
  /** OpenAI's: 0 or 1. */
  weight: 'weight',
} as const

type MarkKind = (typeof marks)[keyof typeof marks] | 'named'

/** Keys by which other tools decide what is learned in ways that are not obeyed here. */
const otherMarks = [
  'mask',
  'masked',
  'loss_mask',
  'loss_scale',
  'loss_weight',
  'train_detail',
  'training_detail',
] as const

const allMarks: ReadonlySet<string> = new Set([...Object.keys(marks), ...otherMarks])

/** The keys of a message that say what is learned; templates do not see them. */
export function isMark(key: string, named: string | undefined): boolean {
  return key === named || Object.hasOwn(marks, key)
}

/**
 * Whether a message is learned: true always, false never, undefined as the policy has it.
 *
 * @param named  the file's own key for it, of `message_keys`
 * @throws FettleError at a mark of a wrong type, one that is not obeyed, and where two say the opposite
 */
export function readMark(
  place: string,
  item: Readonly<Record<string, unknown>>,
  named: string | undefined,
): boolean | undefined {
  // Most messages have none.
  if (!Object.keys(item).some((key) => key === named || allMarks.has(key))) return undefined
  const other = otherMarks.find((key) => key !== named && isGiven(item[key]))
  if (other !== undefined)
    throw new FettleError({
      place,
      found: `${other}, by which other tools decide what is learned`,
      expected: 'train: true or false, or weight: 0 or 1',
      cure: 'Write that instead, or take the key out.',
    })
  const kinds: [string, MarkKind][] = Object.entries(marks)
  if (named !== undefined && !Object.hasOwn(marks, named)) kinds.push([named, 'named'])
  let found: { key: string; learns: boolean } | undefined
  for (const [key, kind] of kinds) {
    const value = item[key]
    if (!isGiven(value)) continue
    const learns = readOne(place, key, kind, value, item)
    if (learns === undefined) continue
    if (found !== undefined && found.learns !== learns)
      throw new FettleError({
        place,
        found: `${found.key} says ${found.learns ? 'learn' : 'do not learn'}, ${key} the opposite`,
        expected: 'one of them',
      })
    found = { key, learns }
  }
  return found?.learns
}

function readOne(
  place: string,
  key: string,
  kind: MarkKind,
  value: unknown,
  item: Readonly<Record<string, unknown>>,
): boolean | undefined {
  const number = numberOf(value)
  const isBit = number === 0 || number === 1
  if (kind === 'weight') {
    if (!isBit) throw wrong(place, key, value, '0 or 1')
    // OpenAI's 1 is what holds without it, too.
    return number === 0 ? false : undefined
  }
  const learns = typeof value === 'boolean' ? value : kind !== 'boolean' && isBit ? number === 1 : undefined
  if (learns === undefined) throw wrong(place, key, value, 'true or false')
  const role = item['role'] ?? item['from']
  if (kind === 'loss' && learns && (role === 'user' || role === 'human' || role === 'system'))
    throw new FettleError({
      place,
      found: `loss is true on a message from ${role}`,
      expected: 'it on answers only',
      cure: 'Write train: true where the message is to be learned all the same.',
    })
  return learns
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function wrong(place: string, key: string, value: unknown, expected: string): FettleError {
  return new FettleError({ place, found: `${key} is ${describeValue(value)}`, expected })
}

/** A mark in a part of a content, where none is obeyed. */
export function markOfPart(part: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(part).find((key) => allMarks.has(key) && isGiven(part[key]))
}
