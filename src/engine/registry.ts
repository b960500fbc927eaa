import { clipText, FettleError, quoteValue } from '../error.ts'
import type { Engine, EngineEntry } from './engine.ts'

/** Every engine, the preferred one first; none is loaded before it is asked for. A new one is its folder and a line here. */
const registry = {
  native: async () => (await import('./native/index.ts')).nativeEngine,
  reference: async () => (await import('./reference/index.ts')).referenceEngine,
} satisfies { [Name in EngineName]: () => Promise<EngineEntry> }

/** The name of an engine. */
export type EngineName = 'native' | 'reference'

/** The names of all engines, the preferred one first. */
export const engineNames = Object.keys(registry) as EngineName[]

/** Why an engine cannot run here, in one sentence; undefined when it can. */
export async function engineProblem(name: EngineName): Promise<string | undefined> {
  const entry = await registry[name]()
  return entry.problem()
}

/**
 * The engine asked for; without a name the first that can run here.
 *
 * @throws FettleError for a name that is none, and for an engine that cannot run here
 */
export async function createEngine(options: { engine?: EngineName; threads?: number } = {}): Promise<Engine> {
  const name = options.engine === undefined ? await preferredEngine() : nameOfEngine(options.engine)
  const entry = await registry[name]()
  return entry.create(options.threads === undefined ? {} : { threads: options.threads })
}

async function preferredEngine(): Promise<EngineName> {
  for (const name of engineNames) if ((await engineProblem(name)) === undefined) return name
  throw new FettleError({
    place: 'engine',
    found: 'none that can run here',
    expected: engineNames.join(' or '),
  })
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
