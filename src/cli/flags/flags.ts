import { closestName, plainName } from '../../closest-name.ts'
import { FettleError, withArticle } from '../../error.ts'
import type { Problem } from '../../error.ts'

/** One flag of a command, or its positional arguments; the key it stands under is its name in camelCase. */
export interface Flag {
  type: 'string' | 'number' | 'boolean' | 'positional'
  description: string
  /** What the help shows for the value: `path`. */
  hint?: string
  /** The values that a string may have. */
  options?: readonly string[]
  required?: boolean
  /** Other names that are understood and that the help leaves out. */
  aliases?: readonly string[]
  /** Its names in other tools, without separators and case: not understood, but a message says what is meant. */
  elsewhere?: readonly string[]
  /** May be given several times; the values are read with `repeated`. */
  repeats?: boolean
  /** The title under which the help lists it; without one it stands at the beginning. */
  group?: string
  /** What a flag without a value means, where it may have none. */
  bare?: string
}

/** The flags of a command by name, in the order in which the help lists them. */
export type Flags = Record<string, Flag>

/** What a command line says, by the names of the flag table. */
export interface GivenArguments {
  /** Every value of each flag that was given, in order, as text; `true` or `false` for one without a value. */
  values: Map<string, string[]>
  positionals: string[]
}

/** `maxNewTokens` as the help writes it: `--max-new-tokens`. */
export function flagName(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/**
 * Reads flags in any spelling (`--learning_rate 1e-4`, `--learningRate=1e-4`) and checks them against the table: names,
 * values that are missing, of the wrong kind or not among the options, flags that are required.
 *
 * @throws FettleError with everything that is wrong
 */
export function readArguments(rawArguments: readonly string[], flags: Flags): GivenArguments {
  const problems: Problem[] = []
  const values = new Map<string, string[]>()
  /** With a value or with what is none. */
  const given = new Set<string>()
  const positionals: string[] = []
  const byPlainName = new Map(
    Object.entries(flags).flatMap(([name, { aliases = [] }]) =>
      [name, ...aliases].map((spelling) => [plain(spelling), name] as const),
    ),
  )
  const waiting = [...rawArguments]
  for (let argument = waiting.shift(); argument !== undefined; argument = waiting.shift()) {
    if (argument === '--') positionals.push(...waiting.splice(0))
    else if (argument.startsWith('-') && argument.length > 1) readFlag(argument)
    else positionals.push(argument)
  }
  checkPositionals()
  for (const [name, { required, type }] of Object.entries(flags))
    if (required && type !== 'positional' && !given.has(name))
      problems.push({ place: flagName(name), found: 'not given', expected: describeValue(flags[name]) })
  if (problems.length > 0) throw new FettleError(problems)
  return { values, positionals }

  function readFlag(argument: string): void {
    const equals = argument.indexOf('=')
    const spelled = equals < 0 ? argument : argument.slice(0, equals)
    const negated = plain(spelled).startsWith('no') && byPlainName.get(plain(spelled).slice(2))
    const name = byPlainName.get(plain(spelled))
    const flag = name === undefined ? undefined : flags[name]
    if (name !== undefined && flag?.type === 'boolean') {
      const value = equals >= 0 ? argument.slice(equals + 1).toLowerCase() : (readTruth() ?? 'true')
      if (value !== 'true' && value !== 'false')
        problems.push({ place: spelled, found: `'${value}'`, expected: 'no value, true or false' })
      given.add(name)
      values.set(name, [value])
    } else if (name !== undefined && flag !== undefined && flag.type !== 'positional') {
      const isLast = waiting.length === 0 || /^--[a-z]/i.test(waiting[0])
      const value = equals >= 0 ? argument.slice(equals + 1) : isLast ? flag.bare : waiting.shift()
      readValue(name, flag, spelled, value)
    } else if (negated && flags[negated].type === 'boolean' && equals < 0) values.set(negated, ['false'])
    else {
      problems.push(unknownFlag(spelled))
      // What follows is most likely its value, and no mistake of its own.
      if (equals < 0 && waiting[0]?.startsWith('-') === false) waiting.shift()
    }
  }

  /** `--packing False`, as Hugging Face's scripts take it. */
  function readTruth(): string | undefined {
    return /^(true|false)$/i.test(waiting[0] ?? '') ? waiting.shift()?.toLowerCase() : undefined
  }

  function readValue(name: string, flag: Flag, spelled: string, value: string | undefined): void {
    const expected = describeValue(flag)
    given.add(name)
    if (value === undefined) problems.push({ place: spelled, found: 'no value', expected })
    else if (flag.type === 'number' && (value.trim() === '' || Number.isNaN(Number(value))))
      problems.push({ place: spelled, found: `'${value}'`, expected })
    else if (flag.options !== undefined && !flag.options.includes(value))
      problems.push({ place: spelled, found: `'${value}'`, expected })
    else {
      const earlier = values.get(name) ?? []
      if (earlier.length > 0 && flag.repeats !== true)
        problems.push({
          place: spelled,
          found: `given twice, '${earlier[0]}' and '${value}'`,
          expected: 'one value',
        })
      values.set(name, [...earlier, value])
    }
  }

  function unknownFlag(spelled: string): Problem {
    const names = Object.keys(flags).filter((name) => flags[name].type !== 'positional')
    const theirs = names.find((name) => flags[name].elsewhere?.includes(plainName(spelled)))
    const near =
      theirs === undefined
        ? closestName(spelled, [...names.map(flagName), '--help', '--version'])
        : flagName(theirs)
    return {
      place: spelled,
      found: 'no such flag',
      cure: near === undefined ? '--help lists them.' : `Did you mean ${near}?`,
    }
  }

  function checkPositionals(): void {
    const entry = Object.entries(flags).find(([, { type }]) => type === 'positional')
    if (entry === undefined) {
      if (positionals.length > 0)
        problems.push({ place: positionals[0], found: 'unexpected', expected: 'flags only' })
      return
    }
    const [name, flag] = entry
    if (flag.required && positionals.length === 0)
      problems.push({
        place: name,
        found: 'not given',
        expected: flag.description.replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase()),
      })
    if (flag.repeats !== true && positionals.length > 1)
      problems.push({
        place: name,
        found: `${positionals.length} arguments`,
        expected: 'one',
        cure: 'Put quotes around text with spaces.',
      })
  }
}

/**
 * Checks a flag's number.
 *
 * @throws FettleError that names the flag, when it is no whole number or too small
 */
export function wholeNumber(flag: string, value: number, from: number): void {
  if (!Number.isInteger(value) || value < from)
    throw new FettleError({ place: flag, found: String(value), expected: `a whole number from ${from}` })
}

/** A flag's name without dashes, underscores and case, so that every spelling meets. */
function plain(name: string): string {
  return name.replaceAll(/[-_]/g, '').toLowerCase()
}

function describeValue({ type, options, hint }: Flag): string {
  if (options !== undefined) return options.join(' or ')
  return type === 'number' ? 'a number' : withArticle(hint ?? 'value')
}
