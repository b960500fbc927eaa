import { FettleError } from '../../../error.ts'
import type { ChangingInit, LoraConfig, LoraFactors, ModuleAdapter } from '../../../peft/index.ts'
import { initialFactors, initialPart, loftq, takeOut } from '../../../peft/index.ts'
import type { ExactReader } from '../../state/exact-reader.ts'
import { readerOf, wholeReader } from '../../state/exact-reader.ts'
import { exactReader, setExact } from '../../state/exact-values.ts'
import { quantizationFormOf } from '../../state/frozen-weights.ts'
import type { ReplacedParameter } from '../../state/adapter-state.ts'
import type { ModelState } from '../../state/model-state.ts'
import type { AdaptedParameter } from '../adapted-parameters.ts'
import { adaptedParameters } from '../adapted-parameters.ts'

type ChangingConfig = LoraConfig & { initLoraWeights: ChangingInit }

/** A base whose weights an adapter changes when it begins, and the A and B of its modules that go with it. */
export interface ChangedBase {
  /** What was changed, as it was. */
  replaced: ReplacedParameter[]
  /** By path of the module; rows are in the order that they have in memory. */
  factors: ReadonlyMap<string, LoraFactors>
}

/**
 * Does to the weights of an adapter's modules what PEFT does when it begins: PiSSA and OLoRA take a part out of them, LoftQ rounds
 * them. For a new adapter that is its beginning; for a loaded one the model then computes as the one that it was trained on. Rows may be
 * in another order than in the file: what is done follows the rows.
 *
 * @param random  numbers from 0 to 1, for a randomised decomposition
 * @throws FettleError for weights in 8 or 4 bits, which no longer have the numbers that it begins with
 */
export async function changeBase(
  state: ModelState,
  config: ChangingConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
  random: () => number,
): Promise<ChangedBase> {
  const replaced: ReplacedParameter[] = []
  const factors = new Map<string, LoraFactors>()
  const { initLoraWeights: init } = config
  for (const adapted of adaptedParameters(state, modules)) {
    const { parameter } = adapted
    if (quantizationFormOf(state, parameter))
      throw new FettleError({
        place: 'init_lora_weights',
        found: `"${init}", and weights in 8 or 4 bits`,
        expected: 'weights as the files have them: it begins with a part of them',
        cure: 'Load the model without quantization.',
      })
    const base = await exactReader(state, parameter)
    const values = await base()
    const changed =
      init === 'loftq'
        ? roundParts(adapted, config, values, factors)
        : takeParts(adapted, init, base, values, { factors, random })
    await setExact(state, parameter, changed)
    replaced.push({ parameter, base })
    // A large matrix takes seconds: others may go on in between.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { replaced, factors }
}

type Factors = Map<string, LoraFactors>

function takeParts(
  { parameter: { columns }, parts }: AdaptedParameter,
  init: Parameters<typeof initialPart>[0],
  base: ExactReader,
  values: Float32Array,
  { factors, random }: { factors: Factors; random: () => number },
): ExactReader {
  const taken = parts.flatMap(({ module, adapter, firstRow, rows }) => {
    if (!adapter) return []
    const weight = rowsOf(values, columns, firstRow, rows)
    const part = initialPart(init, weight, columns, adapter, random)
    factors.set(module, initialFactors(init, part, columns, adapter))
    return [{ firstRow, rows, part }]
  })
  return wholeReader(async () => {
    const whole = await base()
    for (const { firstRow, rows, part } of taken)
      takeOut(rowsOf(whole, columns, firstRow, rows), columns, part)
    return whole
  }, columns)
}

function roundParts(
  { parameter: { columns }, parts }: AdaptedParameter,
  { loftqConfig = { loftqBits: 4, loftqIter: 1 } }: LoraConfig,
  values: Float32Array,
  factors: Factors,
): ExactReader {
  const whole = values.slice()
  for (const { module, adapter, firstRow, rows } of parts) {
    if (!adapter) continue
    const weight = rowsOf(values, columns, firstRow, rows)
    const { rounded, factors: begun } = loftq(weight, columns, adapter.rank, loftqConfig)
    whole.set(rounded, firstRow * columns)
    factors.set(module, begun)
  }
  return readerOf(whole, columns)
}

function rowsOf(whole: Float32Array, columns: number, firstRow: number, rows: number): Float32Array {
  return whole.subarray(firstRow * columns, (firstRow + rows) * columns)
}
