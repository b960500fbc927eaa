import { FettleError } from '../../error.ts'
import type { LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import { initialPart, takeOut } from '../../peft/index.ts'
import { exactReader, keepExact } from '../state/exact-values.ts'
import { quantizationFormOf, setFrozen } from '../state/frozen-weights.ts'
import type { ModelState, ReplacedParameter } from '../state/model-state.ts'
import { adaptedParameters } from './adapted-parameters.ts'

/**
 * Takes out of the weights of an adapter's modules what PiSSA or OLoRA took out of them when it began; then the model computes as
 * the one that the adapter was trained on. Rows may be in another order than in the file: both follow the rows.
 *
 * @returns  what was changed
 * @throws FettleError for weights in 8 or 4 bits, which no longer have the numbers that it was taken out of
 */
export async function rebuildBase(
  state: ModelState,
  { initLoraWeights: init }: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
): Promise<ReplacedParameter[]> {
  if (init !== 'pissa' && init !== 'olora') return []
  const replaced: ReplacedParameter[] = []
  for (const { parameter, parts } of adaptedParameters(state, modules)) {
    const { columns } = parameter
    if (quantizationFormOf(state, parameter))
      throw new FettleError({
        place: 'adapter_config.json: init_lora_weights',
        found: `"${init}", and weights in 8 or 4 bits`,
        expected: 'weights as the files have them: it begins with a part of them',
        cure: 'Load the model without quantization.',
      })
    const base = await exactReader(state, parameter)
    const values = await base()
    const partOf = (whole: Float32Array, firstRow: number, rows: number) =>
      whole.subarray(firstRow * columns, (firstRow + rows) * columns)
    const taken = parts.flatMap(({ adapter, firstRow, rows }) =>
      adapter
        ? [{ firstRow, rows, part: initialPart(init, partOf(values, firstRow, rows), columns, adapter) }]
        : [],
    )
    const rebuilt = async () => {
      const whole = await base()
      for (const { firstRow, rows, part } of taken) takeOut(partOf(whole, firstRow, rows), columns, part)
      return whole
    }
    await setFrozen(state, parameter, await rebuilt())
    keepExact(state, parameter, rebuilt)
    replaced.push({ parameter, base })
    // A large matrix takes seconds: others may go on in between.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return replaced
}
