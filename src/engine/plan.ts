import { FettleError } from '../error.ts'
import type { Program } from './engine.ts'
import type { Command } from './ops.ts'
import { infoOf } from './ops.ts'
import type { DType, RowCounts, RowSymbol, Tensor } from './tensor.ts'
import { elementCount } from './tensor.ts'

/** A place in the arena for each transient tensor. */
export interface MemoryPlan {
  /** Byte offset by tensor id. */
  offsets: Map<number, number>
  bytes: number
}

/** How an engine lays out tensors in memory. */
export interface MemoryLayout {
  /** Bytes; the address of every tensor is a multiple of them. */
  alignment: number
  bytesPerElement: { readonly [K in DType]: number }
}

/**
 * Gives every transient tensor of a program a place in one block of memory. A tensor lives from the command that
 * first writes it to the last that names it (outputs: to the end); places of dead tensors are used again, best
 * fit first, and an op that may work in place does so when its input dies there.
 */
export function planMemory(
  commands: readonly Command[],
  outputs: readonly Tensor[],
  { alignment, bytesPerElement }: MemoryLayout,
): MemoryPlan {
  const lastUse = new Map<number, number>()
  commands.forEach((command, index) => {
    for (const tensor of tensorsOf(command)) lastUse.set(tensor.id, index)
  })
  for (const tensor of outputs) lastUse.set(tensor.id, commands.length)

  const arena = freeList()
  const offsets = new Map<number, number>()
  // Block sizes by offset; a tensor that works in place takes over its input's block.
  const sizes = new Map<number, number>()
  commands.forEach((command, index) => {
    const takenOver = new Set<number>()
    for (const [from, to] of sharedPairs(command)) {
      if (from.kind !== 'transient' || to.kind !== 'transient' || offsets.has(to.id)) continue
      if (lastUse.get(from.id) !== index || byteSize(from) !== byteSize(to)) continue
      const offset = offsets.get(from.id)
      if (offset === undefined) continue
      offsets.set(to.id, offset)
      takenOver.add(from.id)
    }
    for (const tensor of command.outputs) {
      if (tensor?.kind !== 'transient' || offsets.has(tensor.id)) continue
      const size = byteSize(tensor)
      const offset = arena.take(size)
      offsets.set(tensor.id, offset)
      sizes.set(offset, size)
    }
    const dying = new Set<number>()
    for (const tensor of tensorsOf(command)) {
      if (tensor.kind === 'transient' && lastUse.get(tensor.id) === index && !takenOver.has(tensor.id))
        dying.add(tensor.id)
    }
    for (const id of dying) {
      const offset = offsets.get(id)
      if (offset !== undefined) arena.giveBack(offset, sizes.get(offset) ?? 0)
    }
  })
  return { offsets, bytes: arena.highest() }

  function byteSize(tensor: Tensor): number {
    const bytes = elementCount(tensor.shape) * bytesPerElement[tensor.dtype]
    return Math.max(alignment, Math.ceil(bytes / alignment) * alignment)
  }
}

/** Leaves out the commands whose results nobody reads: neither a later command, nor an output, nor a persistent tensor. */
export function withoutDeadCommands(commands: readonly Command[], outputs: readonly Tensor[]): Command[] {
  const needed = new Set(outputs.map((tensor) => tensor.id))
  const kept: Command[] = []
  for (const command of commands.toReversed()) {
    const writesOutside =
      command.outputs.every((tensor) => tensor === null) || infoOf(command.op).changes.length > 0
    if (
      !writesOutside &&
      !command.outputs.some((tensor) => tensor && (tensor.kind === 'persistent' || needed.has(tensor.id)))
    )
      continue
    for (const tensor of command.inputs) if (tensor) needed.add(tensor.id)
    kept.push(command)
  }
  return kept.reverse()
}

/** How many of these commands come before those that run later. */
export function firstCommands(commands: readonly Command[], later: readonly Command[]): number {
  const waiting = new Set(later)
  const first = commands.findIndex((command) => waiting.has(command))
  return first < 0 ? commands.length : first
}

/** How many of each symbol the tensors of a program have room for. */
export function rowCapacities(commands: readonly Command[]): ReadonlyMap<RowSymbol, number> {
  const capacities = new Map<RowSymbol, number>()
  for (const command of commands)
    for (const { shape, rows } of tensorsOf(command))
      if (rows) {
        const room = Math.floor(shape[0] / rows.factor)
        capacities.set(rows.symbol, Math.min(room, capacities.get(rows.symbol) ?? room))
      }
  return capacities
}

/** @throws FettleError for rows that would reach over the places of a program's tensors, or that it does not have */
export function checkRows({ capacities }: Program, counts: RowCounts): void {
  for (const [symbol, count] of Object.entries(counts)) {
    const capacity = capacities.get(symbol as RowSymbol)
    if (capacity === undefined)
      throw new FettleError({
        place: `engine.run: ${symbol}`,
        found: String(count),
        expected: `counts of ${[...capacities.keys()].join(', ') || 'nothing'}, which the program's rows are`,
      })
    if (!Number.isInteger(count) || count < 1 || count > capacity)
      throw new FettleError({
        place: `engine.run: ${symbol}`,
        found: String(count),
        expected: `a whole number from 1 to ${capacity}, which the program was compiled for`,
        cure: 'Compile the program for more rows.',
      })
  }
}

function* tensorsOf(command: Command): Generator<Tensor> {
  for (const tensor of command.inputs) if (tensor) yield tensor
  for (const tensor of command.outputs) if (tensor) yield tensor
}

/** [input, output] tensors of a command that may share a buffer. */
function* sharedPairs(command: Command): Generator<[Tensor, Tensor]> {
  const info = infoOf(command.op)
  const { inputNames: inputs, outputNames: outputs, gradients } = info
  if (command.direction === 'forward') {
    if (!info.inPlace) return
    const from = command.inputs[inputs.indexOf(info.inPlace[0])]
    const to = command.outputs[outputs.indexOf(info.inPlace[1])]
    if (from && to) yield [from, to]
    return
  }
  const gradientOver = (at: number, input: string): [Tensor, Tensor][] => {
    const from = command.inputs[at]
    const to = command.outputs[gradients.indexOf(input)]
    return from && to && command.accumulate?.[gradients.indexOf(input)] !== true ? [[from, to]] : []
  }
  if (info.inPlaceGradient) {
    const [output, input] = info.inPlaceGradient
    yield* gradientOver(inputs.length + outputs.length + outputs.indexOf(output), input)
  }
  if (info.overwritesInput) yield* gradientOver(inputs.indexOf(info.overwritesInput), info.overwritesInput)
  if (info.remade) {
    const from = command.inputs[inputs.length + outputs.length + outputs.indexOf(info.remade)]
    const to = command.outputs.at(gradients.length)
    if (from && to) yield [from, to]
  }
}

/** Free blocks of one growing range, best fit, neighbours joined. */
function freeList() {
  const free: { offset: number; size: number }[] = []
  let end = 0
  return {
    take(size: number): number {
      let best = -1
      for (let i = 0; i < free.length; i += 1)
        if (free[i].size >= size && (best < 0 || free[i].size < free[best].size)) best = i
      if (best >= 0) {
        const block = free[best]
        const { offset } = block
        block.offset += size
        block.size -= size
        if (block.size === 0) free.splice(best, 1)
        return offset
      }
      const last = free.at(-1)
      if (last && last.offset + last.size === end) {
        free.pop()
        end = last.offset + size
        return last.offset
      }
      const offset = end
      end += size
      return offset
    },
    giveBack(offset: number, size: number): void {
      let i = free.findIndex((block) => block.offset > offset)
      if (i < 0) i = free.length
      free.splice(i, 0, { offset, size })
      const next = free[i + 1]
      if (next && offset + size === next.offset) {
        free[i].size += next.size
        free.splice(i + 1, 1)
      }
      const previous = free[i - 1]
      if (previous && previous.offset + previous.size === offset) {
        previous.size += free[i].size
        free.splice(i, 1)
      }
    },
    highest: () => end,
  }
}
