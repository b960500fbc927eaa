import { clipText, FettleError, quoteValue, type Problem } from '../error.ts'
import type { Engine, EngineEntry } from './engine.ts'

/** Every engine, the preferred one first; none is loaded before it is asked for. A new one is its folder and a line here. */
const registry = {
  native: async () => (await import('./native/index.ts')).nativeEngine,
  wasm: async () => (await import('./wasm/index.ts')).wasmEngine,
  reference: async () => (await import('./reference/index.ts')).referenceEngine,
} satisfies { [Name in EngineName]: () => Promise<EngineEntry> }

/** The name of an engine. */
export type EngineName = 'native' | 'wasm' | 'reference'

/** The names of all engines, the preferred one first. */
export const engineNames = Object.keys(registry) as EngineName[]

/** What an engine other than the first costs, as whoever gets it without asking is told. */
const slower: { readonly [Name in EngineName]?: string } = {
  wasm: '2 to 15 times slower than native',
  reference: '30 to 300 times slower than native',
}

/** An engine, and what is to be said of it. */
export interface ChosenEngine {
  engine: Engine
  /**
   * That it is not the first one, why, and what would make it so (not where it was asked for by name), or what else is to be said of it.
   */
  notice?: Problem
}

/** Why an engine cannot run here, in one sentence; undefined when it can. */
export async function engineProblem(name: EngineName): Promise<string | undefined> {
  const entry = await registry[name]()
  return entry.problem()
}

/**
 * The engine asked for; without a name the first that can run here, with a notice where a better one could not.
 *
 * @throws FettleError for a name that is none, and for an engine that cannot run here
 */
export async function chooseEngine(
  options: { engine?: EngineName; threads?: number } = {},
): Promise<ChosenEngine> {
  const name = options.engine === undefined ? await preferredEngine() : nameOfEngine(options.engine)
  const entry = await registry[name]()
  const engine = await entry.create(options.threads === undefined ? {} : { threads: options.threads })
  const isWanted = options.engine !== undefined || name === engineNames[0]
  const notice = isWanted ? entry.notice?.() : await noticeOf(name)
  return notice === undefined ? { engine } : { engine, notice }
}

/** The engine of `chooseEngine` alone, for who has told already, or need not tell, which one it is. */
export async function createEngine(options: { engine?: EngineName; threads?: number } = {}): Promise<Engine> {
  return (await chooseEngine(options)).engine
}

async function preferredEngine(): Promise<EngineName> {
  for (const name of engineNames) if ((await engineProblem(name)) === undefined) return name
  throw new FettleError({
    place: 'engine',
    found: 'none that can run here',
    expected: engineNames.join(' or '),
  })
}

async function noticeOf(name: EngineName): Promise<Problem> {
  const [best] = engineNames
  const entry = await registry[best]()
  const cost = slower[name]
  return {
    place: 'engine',
    found: `${name}${cost === undefined ? '' : `, ${cost}`}: ${await entry.problem()}`,
    cure: `${entry.cure?.() ?? ''} Ask for engine ${name} if it is the one you want.`.trim(),
  }
}

function nameOfEngine(given: string): EngineName {
  const name = engineNames.find((known) => known === given)
  if (name) return name
  throw new FettleError({
    place: 'engine',
    found: typeof given === 'string' ? clipText(given) : quoteValue(given),
    expected: engineNames.join(' or '),
  })
}
