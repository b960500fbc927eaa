import type { Execute } from '../train/index.ts'
import { FettleError } from '../error.ts'
import type { FlagValues } from './command.ts'
import { flagName, wholeNumber } from './flags.ts'

const group = 'On other engines'

/** Flags of a run that another engine computes; no options of the run, whose results they do not change. */
export const remoteFlags = {
  on: {
    type: 'string',
    hint: 'where',
    group,
    description:
      'Trains with PyTorch: torch (this machine), torchrun:4 (as many processes), ray://host:8265 or hf-jobs:l4x1',
  },
  python: {
    type: 'string',
    hint: 'path',
    group,
    description: 'With --on: the Python that has torch; default python3',
  },
  workers: { type: 'number', group, description: 'With --on ray: workers of the cluster; default 1' },
  remoteModel: {
    type: 'string',
    hint: 'path',
    group,
    description: 'Where the other machines find the base model; default the same path',
  },
  parallel: {
    type: 'string',
    options: ['ddp', 'fsdp'],
    group,
    description: 'With several processes: each holds the model (ddp, the default), or a part of it (fsdp)',
  },
  attention: {
    type: 'string',
    options: ['auto', 'flash_attention_2', 'flex_attention', 'sdpa', 'eager'],
    group,
    description: 'With --on: what computes attention; auto takes the first that keeps packed documents apart',
  },
} as const

/**
 * What carries a run out where `--on` says; undefined here.
 *
 * @throws FettleError where something is missing there, and for flags without `--on`
 */
export async function executeOf(
  { on, python, workers, remoteModel, parallel, attention }: FlagValues<typeof remoteFlags>,
  quantized: boolean,
): Promise<Execute | undefined> {
  const how = { python, workers, remoteModel, parallel, attention }
  if (on === undefined) {
    const idle = Object.entries(how).filter(([, value]) => value !== undefined)
    if (idle.length === 0) return undefined
    throw new FettleError(
      idle.map(([name]) => ({
        place: flagName(name),
        found: 'no --on beside it',
        expected: 'a run on another engine',
        cure: 'Say where with --on torch.',
      })),
    )
  }
  if (how.workers !== undefined) wholeNumber('--workers', how.workers, 1)
  const { openTarget } = await import('../remote/index.ts')
  return openTarget(on, { ...how, quantized })
}
