import { transpose } from '../../transpose.ts'

/**
 * What happens to a tensor between a file and memory. Shapes are those in memory: [rows, columns] of a matrix, [rows] of a
 * vector. A transform is data of a family: stores apply it when they read, saving undoes it.
 */
export interface Transform {
  /** The shape in the file of what has `shape` in memory. */
  fileShape(shape: readonly number[]): readonly number[]
  fromFile(values: Float32Array, shape: readonly number[]): Float32Array
  toFile(values: Float32Array, shape: readonly number[]): Float32Array
  /** A gradient by the numbers in memory as one by the numbers in the file; without it as `toFile`. */
  gradientToFile?(gradient: Float32Array, shape: readonly number[]): Float32Array
  /** Memory has the numbers of the file, and this added. */
  adds?: number
  /** The file has the same numbers in the same order, in another shape. */
  onlyReshapes?: true
  /** Only rows are in another order: row i of memory is row `fileRow(i)` of the file. */
  fileRow?: (row: number) => number
  /** Of a file that has outputs as columns, where its blocks have them as rows: row i of `rows` in memory is row `blockRow(i, rows)` of these. */
  blockRow?: (row: number, rows: number) => number
  /** Only columns are in another order: column i of memory is column `fileColumn(i)` of the file. */
  fileColumn?: (column: number) => number
  /** What happens to other tensors with a row for each output: the bias, and LoRA's B; without it nothing. */
  outputs?: Transform
}

/** A norm's gain that is stored as its distance from one: memory = 1 + file. */
export const onePlus: Transform = {
  fileShape: (shape) => shape,
  fromFile: (values) => values.map((value) => 1 + value),
  toFile: (values) => values.map((value) => value - 1),
  adds: 1,
  gradientToFile: (gradient) => gradient,
}

/** A matrix that is stored as [inputs, outputs]: memory = fileᵀ. */
export const transposed: Transform = {
  fileShape: ([rows, columns]) => [columns, rows],
  fromFile: (values, [rows, columns]) => transpose(values, columns, rows),
  toFile: (values, [rows, columns]) => transpose(values, rows, columns),
}

/** Weights [taps, channels] of a depthwise convolution, which are stored as PyTorch's Conv1d has them: [channels, 1, taps]. */
export const depthwise: Transform = {
  ...transposed,
  fileShape: ([taps, channels]) => [channels, 1, taps],
}

/** A matrix or vector whose rows are stored in another order: row i of memory is row `fileRow(i)` of the file. */
export function reordered(fileRow: (row: number) => number): Transform {
  const transform: Transform = {
    fileShape: (shape) => shape,
    fromFile: (values, shape) => moveRows(values, shape, (row) => [row, fileRow(row)]),
    toFile: (values, shape) => moveRows(values, shape, (row) => [fileRow(row), row]),
    fileRow,
  }
  return { ...transform, outputs: transform }
}

/**
 * Heads [rows / headDim, headDim] whose two halves, which rope rotates together, are stored interleaved, as llama.cpp
 * keeps q and k of some architectures: row h·D + j·D/2 + i of memory is row h·D + 2i + j of the file.
 */
export function interleavedHalves(headDim: number): Transform {
  const half = headDim / 2
  return reordered((row) => {
    const inHead = row % headDim
    return row - inHead + 2 * (inHead % half) + Math.floor(inHead / half)
  })
}

/** A matrix whose columns are stored in another order: column i of memory is column `fileColumn(i)` of the file. */
export function reorderedColumns(fileColumn: (column: number) => number): Transform {
  const move = (values: Float32Array, columns: number, place: (i: number) => [to: number, from: number]) => {
    const out = new Float32Array(values.length)
    for (let column = 0; column < columns; column += 1) {
      const [to, from] = place(column)
      for (let row = 0; row < values.length; row += columns) out[row + to] = values[row + from]
    }
    return out
  }
  return {
    fileShape: (shape) => shape,
    fromFile: (values, [, columns]) => move(values, columns, (i) => [i, fileColumn(i)]),
    toFile: (values, [, columns]) => move(values, columns, (i) => [fileColumn(i), i]),
    fileColumn,
  }
}

/** What happens to a tensor by two transforms, of which the first is the one next to memory. */
export function composed(first: Transform, second: Transform): Transform {
  return {
    fileShape: (shape) => second.fileShape(first.fileShape(shape)),
    fromFile: (values, shape) => first.fromFile(second.fromFile(values, first.fileShape(shape)), shape),
    toFile: (values, shape) => second.toFile(first.toFile(values, shape), first.fileShape(shape)),
  }
}

/** Numbers of which the file has −exp: memory = log(−file). */
export const negatedExponential: Transform = {
  fileShape: (shape) => shape,
  fromFile: (values) => values.map((value) => Math.log(-value)),
  toFile: (values) => values.map((value) => -Math.exp(value)),
}

/** Matrices, or vectors, of so many experts, which the file has as one tensor with a dimension more. */
export function stacked(experts: number): Transform {
  return {
    fileShape: ([rows, ...rest]) => [experts, rows / experts, ...rest],
    fromFile: (values) => values,
    toFile: (values) => values,
    onlyReshapes: true,
  }
}

/** Where a column of a file's matrix is that has gates and ups by turns, counted with all gates first. */
export function gateBesideUp(column: number, width: number): number {
  return 2 * (column % (width / 2)) + Math.floor((2 * column) / width)
}

/**
 * Matrices of so many experts that the file has as one tensor [experts, inputs, outputs], or their biases [experts, outputs]:
 * row i of an expert in memory is column `fileColumn(i, outputs)` of the file.
 */
export function expertColumns(
  experts: number,
  fileColumn: (row: number, outputs: number) => number = (row) => row,
): Transform {
  const each = ([rows, inputs = 1]: readonly number[], move: (memory: number, file: number) => void) => {
    const outputs = rows / experts
    for (let row = 0; row < rows; row += 1) {
      const inExpert = row % outputs
      let file = (row - inExpert) * inputs + fileColumn(inExpert, outputs)
      for (let i = row * inputs; i < (row + 1) * inputs; i += 1, file += outputs) move(i, file)
    }
  }
  const blockRow = (row: number, rows: number) => {
    const inExpert = row % (rows / experts)
    return row - inExpert + fileColumn(inExpert, rows / experts)
  }
  return { ...moved(([rows, ...inputs]) => [experts, ...inputs, rows / experts], each), blockRow }
}

/**
 * LoRA's B of so many experts, [experts · outputs, rank] in memory, as PEFT's ParamWrapper has it: [outputs, rank · experts], the
 * experts side by side in each of its columns. Row i of an expert is row `fileRow(i, outputs)`.
 */
export function expertOutputs(
  experts: number,
  fileRow: (row: number, outputs: number) => number = (row) => row,
): Transform {
  const each = ([rows, rank]: readonly number[], move: (memory: number, file: number) => void) => {
    const outputs = rows / experts
    for (let row = 0; row < rows; row += 1) {
      const [expert, inExpert] = [Math.floor(row / outputs), row % outputs]
      const start = fileRow(inExpert, outputs) * rank
      for (let i = 0; i < rank; i += 1) move(row * rank + i, (start + i) * experts + expert)
    }
  }
  return moved(([rows, rank]) => [rows / experts, rank * experts], each)
}

function moveRows(
  values: Float32Array,
  [rows, columns = 1]: readonly number[],
  move: (row: number) => [to: number, from: number],
): Float32Array {
  const out = new Float32Array(values.length)
  for (let row = 0; row < rows; row += 1) {
    const [to, from] = move(row)
    out.set(values.subarray(from * columns, (from + 1) * columns), to * columns)
  }
  return out
}

/** Numbers at other places in the file; `each` goes through the pairs of places of a parameter [shape]. */
function moved(
  fileShape: Transform['fileShape'],
  each: (shape: readonly number[], move: (memory: number, file: number) => void) => void,
): Transform {
  return {
    fileShape,
    fromFile(values, shape) {
      const out = new Float32Array(values.length)
      each(shape, (memory, file) => (out[memory] = values[file]))
      return out
    },
    toFile(values, shape) {
      const out = new Float32Array(values.length)
      each(shape, (memory, file) => (out[file] = values[memory]))
      return out
    },
  }
}
