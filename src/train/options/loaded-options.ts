import { FettleError, type Problem } from '../../error.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import type { TrainOptions } from './options.ts'

/**
 * Refuses options that were decided when the model was loaded, where a trainer is given others: it cannot follow them, and would
 * say nothing of it.
 *
 * @throws FettleError that names each of them
 */
export function refuseOtherLoading(model: AutoModelForCausalLM, options: TrainOptions): void {
  const { engine } = model
  const decided: [keyof TrainOptions, wanted: unknown, loaded: unknown][] = [
    ['engine', options.engine === 'auto' ? undefined : options.engine, engine.name],
    ['dtype', options.dtype === 'auto' ? undefined : options.dtype, model.dtype],
    // The reference engine has one thread, whatever it is told.
    ['threads', engine.name === 'reference' ? undefined : options.threads, engine.threads],
    ['quantization', options.quantization ?? undefined, model.quantization],
    ['doubleQuantization', options.doubleQuantization || undefined, model.doubleQuantization],
    ['activationQuantization', options.activationQuantization ?? undefined, model.activationQuantization],
  ]
  const problems = decided.flatMap(([place, wanted, loaded]): Problem[] =>
    wanted === undefined || wanted === loaded
      ? []
      : [
          {
            place,
            found: `${String(wanted)}, and a model that was loaded with ${String(loaded ?? 'none')}`,
            expected: 'what the model was loaded with, or nothing',
            cure: `Load it with AutoModelForCausalLM.fromPretrained(path, { ${place}: ${JSON.stringify(wanted)} }).`,
          },
        ],
  )
  if (problems.length > 0) throw new FettleError(problems)
}
