import { quantizations } from '../engine/index.ts'
import { exportModel, type ExportOptions, type ExportResult } from '../export/index.ts'
import { bytesOf } from './byte-size.ts'
import type { FlagValues } from './command.ts'
import { modelFlags, oneOf, pathsOf } from './flags/model-flags.ts'
import { untilInterrupted } from './terminal/interruptible.ts'
import { showNotices } from './terminal/notices.ts'
import { plural } from '../plural.ts'

/** Of every command that writes weights. */
export const shardFlag = {
  type: 'string',
  hint: 'size',
  description:
    'Weights above it go to several files: 5GB, 500MB. Default 5GB; one GGUF file is never split without it',
} as const

/** Of those commands: the model, and how its weights are written. */
type WeightFlags = Omit<FlagValues<typeof modelFlags>, 'dtype' | 'activationQuantization'> & {
  maxShardSize: string | undefined
  force: boolean | undefined
}

/** What the flags say of the model, and of how its weights are written. */
async function weightsOf(flags: WeightFlags) {
  const { maxShardSize: size } = flags
  return {
    ...(await pathsOf(flags)),
    overwrite: flags.force,
    ...(size !== undefined && { maxShardBytes: bytesOf('--max-shard-size', size) }),
    quantization: oneOf(flags.quantization, quantizations) ?? null,
    doubleQuantization: flags.doubleQuantization ?? false,
    engine: oneOf(flags.engine, modelFlags.engine.options),
    threads: flags.threads,
  }
}

/**
 * Exports and shows how far it is, tensor by tensor; Ctrl-C ends it.
 *
 * @returns undefined where it was ended: nothing was written, which people are told
 */
export async function runExport(
  title: string,
  flags: WeightFlags,
  options: Pick<
    ExportOptions,
    'format' | 'output' | 'type' | 'evalData' | 'certificateRows' | 'certificateBound' | 'python'
  >,
): Promise<ExportResult | undefined> {
  const weights = await weightsOf(flags)
  const result = await untilInterrupted('nothing was written', (signal, show) =>
    exportModel({
      ...weights,
      ...options,
      signal,
      onProgress({ tensors, all, rows }) {
        const [done, of, what] = rows ? [rows.done, rows.all, 'row'] : [tensors, all, 'tensor']
        show(rows ? 'comparing' : title, of === 0 ? 0 : done / of, `${done} of ${plural(of, what)}`)
      },
    }),
  )
  if (result !== undefined) showNotices(result.notices)
  return result
}
