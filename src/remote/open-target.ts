import type { Execute, TrainEvent } from '../train/index.ts'
import { createJobsClient } from './ray/jobs-client.ts'
import { cancelRay, onRay, rayEvents, type RayOptions } from './ray/run-ray.ts'
import { readRemoteRecord } from './record.ts'
import { readTarget } from './target.ts'
import { findPython } from './torch/python.ts'
import { onTorch } from './torch/run-torch.ts'

/** What is said beside `--on`. */
export interface RemoteOptions extends RayOptions {
  /** Whether the base is held in few bits. */
  quantized?: boolean | undefined
}

/**
 * What carries runs out where `--on` says; it is asked for what it needs before anything is prepared.
 *
 * @throws FettleError where something is missing, or cannot be reached
 */
export async function openTarget(on: string, options: RemoteOptions): Promise<Execute> {
  const target = readTarget(on)
  const { quantized, ...how } = options
  switch (target.kind) {
    case 'torch':
    case 'torchrun':
      return onTorch(target, await findPython(how.python, quantized), how)
    case 'ray':
      await createJobsClient(target.address).version()
      return onRay(target.address, how)
    case 'hf-jobs':
      throw new Error(target.kind)
  }
}

/**
 * The events of a run that is computed elsewhere, from its first on.
 *
 * @param folder  of the run, here
 * @throws FettleError where the folder is of no such run, as `train` does otherwise
 */
export async function* attach(
  folder: string,
  signal?: AbortSignal,
): AsyncGenerator<TrainEvent, void, undefined> {
  const record = await readRemoteRecord(folder)
  if (record.on === 'ray') yield* rayEvents({ ...record, address: new URL(record.address) }, folder, signal)
}

/** Ends the job of a run at once; nothing is said where there is none. */
export async function cancel(folder: string): Promise<void> {
  const record = await readRemoteRecord(folder)
  if (record.on === 'ray') await cancelRay({ ...record, address: new URL(record.address) })
}
