import type { OpenedTarget } from '../../remote/index.ts'
import { FettleError } from '../../error.ts'
import { pythonNames } from '../../python.ts'
import type { FlagValues } from '../command.ts'
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
    description: `With --on: the Python that has torch; default ${pythonNames()[0]}`,
  },
  workers: { type: 'number', group, description: 'With --on ray: workers of the cluster; default 1' },
  remoteModel: {
    type: 'string',
    hint: 'path',
    group,
    description:
      'Where the other machines find the base model; default the same path, with hf-jobs its name on the Hub',
  },
  timeoutHours: {
    type: 'number',
    group,
    description: 'With --on hf-jobs: the job is ended after so long; default 4',
  },
  dryRun: {
    type: 'boolean',
    group,
    description: 'With --on hf-jobs: shows the cost and the job, and starts nothing',
  },
  printCommand: {
    type: 'string',
    options: ['torchrun', 'slurm', 'skypilot', 'kubeflow'],
    group,
    description: 'Hands the run over into output_dir and prints what starts it, instead of training',
  },
  nodes: { type: 'number', group, description: 'With --print-command: machines; default 1' },
  gpus: { type: 'number', group, description: 'With --print-command: GPUs of each; default 1' },
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
export async function targetOf(
  { on, printCommand, dryRun, ...flags }: FlagValues<typeof remoteFlags>,
  quantized: boolean,
): Promise<OpenedTarget | undefined> {
  const { python, workers, remoteModel, parallel, attention, timeoutHours, nodes, gpus } = flags
  const how = { python, workers, remoteModel, parallel, attention, timeoutHours }
  const counts = { workers, nodes, gpus }
  for (const [name, value] of Object.entries(counts))
    if (value !== undefined) wholeNumber(flagName(name), value, 1)
  if (on === undefined) {
    const ofOn = { ...how, ...(dryRun === true && { dryRun }) }
    const idle = Object.entries(ofOn).filter(([, value]) => value !== undefined)
    if (idle.length === 0 || printCommand !== undefined) return undefined
    throw new FettleError(
      idle.map(([name]) => ({
        place: flagName(name),
        found: 'no --on beside it',
        expected: 'a run on another engine',
        cure: 'Say where with --on torch.',
      })),
    )
  }
  const { openTarget } = await import('../../remote/index.ts')
  const target = await openTarget(on, { ...how, quantized })
  if (dryRun === true && target.request === undefined)
    throw new FettleError({
      place: '--dry-run',
      found: `--on ${on}`,
      expected: '--on hf-jobs:…, which costs money',
    })
  return target
}
