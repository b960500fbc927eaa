import type { Quantization } from '../../../engine/quantization.ts'
import type { WeightPart } from '../../../engine/tensor.ts'
import type { Problem } from '../../../error.ts'
import { FettleError } from '../../../error.ts'
import type { Parameter, ParameterPart, StoredTensor } from '../parameters.ts'
import { partShape, tensorsOf } from '../parameters.ts'
import { plural } from '../../../plural.ts'

/** Where a model's parameters come from, as they are in memory: transforms are applied. */
export interface WeightStore {
  /** Whether the scales of 4 bits are rounded, too: see double-quantization.ts. */
  isDoublyQuantized?: true
  /** A stored type of the weights, as safetensors spells it. */
  dtype: 'F32' | 'F16' | 'BF16'
  /** Whether it gives the same numbers again when it is asked twice. */
  repeats: boolean
  /**
   * How the file holds a matrix, where that is in few bits: of a projection in 4 or 8 bits the numbers of `part` are those that this
   * leaves; with `blocks` its parts are blocks as the file has them.
   */
  form?(parameter: Parameter): Quantization | 'blocks' | null
  /** Whether a parameter's numbers are those of MXFP4 in blocks of 32 along its rows. */
  isMxfp4?(parameter: Parameter): boolean
  /** How the file stores a part; `dtype` where it does not have it, or has it in other bits. */
  dtypeOf(part: ParameterPart): WeightStore['dtype']
  /**
   * Rows of a matrix [rows, columns]; a stretch of the file where its type can be computed with as it is.
   *
   * @param isExact  to the sign of a zero, which blocks in another order than the file's may lose; default false
   */
  part(part: ParameterPart, columns: number, isExact?: boolean): Promise<WeightPart>
  /** A part of a vector, in float32. */
  values(part: ParameterPart): Promise<Float32Array>
}

/**
 * Compares the tensors of a file with what the architecture has.
 *
 * @param tensorOf  which of its names a file of this format has
 * @param fileShape  the shape in the file
 * @param unread  tensors that nothing reads: they may be those that are missing under another name
 * @param isSame  when a shape is the one that is expected
 * @throws FettleError that names the first tensors that are missing or have another shape
 */
export function checkShapes(
  place: string,
  parameters: readonly Parameter[],
  tensorOf: (part: ParameterPart) => StoredTensor,
  fileShape: (name: string) => readonly number[] | undefined,
  unread: readonly Problem[] = [],
  isSame: (shape: readonly number[], expected: readonly number[]) => boolean = areEqual,
): void {
  const problems = parameters.flatMap((parameter) =>
    parameter.parts.flatMap((part): Problem[] =>
      expectedShapes(parameter, part, tensorOf(part)).flatMap(({ name, expected }) => {
        const shape = fileShape(name)
        if (shape && isSame(shape, expected)) return []
        return [
          {
            place: `${place}: tensor ${tensorOf(part).pieces ? name : part.safetensors.name}`,
            found: shape ? `shape [${shape.join(', ')}]` : 'nothing',
            expected: `shape [${expected.join(', ')}] by config.json`,
          },
        ]
      }),
    ),
  )
  // Experts that lie in one tensor say the same of it.
  const seen = new Set<string>()
  const different = problems.filter((problem) => !seen.has(problem.place) && seen.add(problem.place))
  throwShapes(different, unread)
}

function areEqual(shape: readonly number[], expected: readonly number[]): boolean {
  return shape.join() === expected.join()
}

/** The tensors of a part, and the shapes that they have in a file. */
function expectedShapes(
  parameter: Parameter,
  { rows }: ParameterPart,
  stored: StoredTensor,
): { name: string; expected: readonly number[] }[] {
  const { name, transform, pieces } = stored
  if (!pieces) {
    const inMemory = partShape(parameter, rows)
    return [{ name, expected: transform?.fileShape(inMemory) ?? inMemory }]
  }
  const [first] = pieces
  const { count, beside = 1 } = first
  const expected = [count / beside, ...partShape(parameter, (beside * rows) / pieces.length)]
  return tensorsOf(stored).map((tensor) => ({ name: tensor, expected }))
}

function throwShapes(problems: readonly Problem[], unread: readonly Problem[]): void {
  if (problems.length === 0) return
  const shown = problems.slice(0, 5)
  const cure =
    problems.length > shown.length
      ? `${plural(problems.length - shown.length, 'more tensor does', 'more tensors do')} not fit: the weights belong to another config.json, or the file is incomplete.`
      : 'The weights belong to another config.json, or the file is incomplete: save or download the model again.'
  const last = shown.length - 1
  throw new FettleError([
    ...shown.map((problem, i) => (i === last ? { ...problem, cure } : problem)),
    ...unread,
  ])
}
