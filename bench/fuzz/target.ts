import type { Random } from './mutate/random.ts'

/** One kind of input that fettle reads, fuzzed. */
export interface Target {
  name: string
  /** Puts the seeds into an empty folder that is the target's own. */
  open(folder: string): Promise<OpenTarget>
}

export interface OpenTarget {
  /** Passes one mutation to fettle; what comes out of it if it is accepted. A refusal is thrown. */
  run(random: Random): Promise<string>
  /** Where the state is protected by hashes: what every accepted mutation must give. */
  expected?: string
  /** The mutated file, which another program reads as well: what it refuses, fettle must refuse. */
  judged?: { reader: 'safetensors'; path: () => string }
}

/** What became of a case. */
export type Outcome =
  | { kind: 'refused'; message: string }
  | { kind: 'accepted' }
  | { kind: 'fault'; fault: FaultKind; detail: string }

/** What must not happen: the process ends, an error that is not FettleError, no answer, memory, wrong acceptance. */
export const faultKinds = [
  'process end',
  'stack trace',
  'hang',
  'growth',
  'another result',
  'rejected elsewhere',
  'long message',
] as const
export type FaultKind = (typeof faultKinds)[number]
