import { FettleError, type Problem } from '../error.ts'
import { flagName, readArguments } from './flags/flags.ts'
import type { Flag, Flags } from './flags/flags.ts'

type FlagType<F extends Flag> = F['type'] extends 'boolean'
  ? boolean
  : F['type'] extends 'number'
    ? number
    : string

/** What the user gave. */
export type FlagValues<T extends Flags> = {
  [K in keyof T]: T[K] extends { required: true } ? FlagType<T[K]> : FlagType<T[K]> | undefined
}

/** What runs besides the values of single flags. */
export interface Given {
  /** Every positional argument. */
  positionals: readonly string[]
  /** All values of a flag that may be given several times. */
  repeated(name: string): string[]
}

/** A command of the command line. */
export interface Command {
  flags: Flags
  /** Command lines for the help, without `fettle` in front. */
  examples: readonly string[]
  /** What the help says between summary and flags. */
  details?: string
  /** Returns the exit code. */
  execute(rawArguments: readonly string[]): Promise<number>
}

/**
 * Ties flags to the function that reads them.
 *
 * @param command  with `run`, which throws to fail; it may return an exit code of its own
 */
export function defineCommand<const T extends Flags>(
  command: Omit<Command, 'execute' | 'flags'> & {
    flags: T
    run: (values: FlagValues<T>, given: Given) => Promise<number | void>
  },
): Command {
  const { flags, run, ...rest } = command
  return {
    ...rest,
    flags,
    async execute(rawArguments) {
      const { values, positionals } = readArguments(rawArguments, flags)
      const entries = Object.entries(flags).map(([name, { type }]) => {
        const text = type === 'positional' ? positionals[0] : values.get(name)?.at(-1)
        return [name, text === undefined ? undefined : valueOf(type, text)]
      })
      try {
        const code = await run(Object.fromEntries(entries) as FlagValues<T>, {
          positionals,
          repeated: (name) => values.get(name) ?? [],
        })
        return code ?? 0
      } catch (error) {
        throw withFlagNames(error, values, flags)
      }
    },
  }
}

/**
 * The library names options as TypeScript does (`maxNewTokens`, `lora.r`, `exportModel: output`); who gave a flag, or should have, knows
 * that one.
 */
function withFlagNames(error: unknown, given: ReadonlyMap<string, unknown>, flags: Flags): unknown {
  const nameOf = (place: string) =>
    place
      .replace(/^\w+: (?=\w+$)/, '')
      .replace(/^lora\.(?:lora)?(\w)/, (_, first: string) => `lora${first.toUpperCase()}`)
  const isFlag = ({ place, found }: Problem) =>
    given.has(nameOf(place)) || (found === 'not given' && Object.hasOwn(flags, nameOf(place)))
  if (!(error instanceof FettleError) || !error.problems.some(isFlag)) return error
  const problems = error.problems.map((problem) =>
    isFlag(problem) ? { ...problem, place: flagName(nameOf(problem.place)) } : problem,
  )
  return new FettleError(problems, { exitCode: error.exitCode, cause: error })
}

function valueOf(type: Flag['type'], text: string): string | number | boolean {
  if (type === 'boolean') return text === 'true'
  return type === 'number' ? Number(text) : text
}
