import { rowsOfOutputs } from './dimensions.ts'
import type { Attributes, Command, InputName, OpName, OutputName, OutputShape } from './ops.ts'
import { infoOf } from './ops.ts'
import type { Tensor } from './tensor.ts'
import { tensorHandle } from './tensor.ts'

/** One recorded op, as the backward pass needs it. */
interface Node {
  command: Command
  /** The block that is recomputed in the backward pass, if this op belongs to one. */
  block: number | null
}

/** The list of ops of one forward pass; nothing is computed while it is written. */
export interface Tape {
  readonly nodes: Node[]
  /** Commands of the forward pass. */
  commands(): Command[]
  /** Records an op; outputs that are not asked for are null. What their rows are counted in follows from the op table. */
  apply<K extends OpName>(
    op: K,
    inputs: { [I in InputName<K>]: Tensor | null },
    attributes: Attributes<K>,
    outputs: { [O in OutputName<K>]: OutputShape | null },
  ): { [O in OutputName<K>]: Tensor | null }
  /** Everything recorded by `body` is computed again in the backward pass instead of being kept. */
  recomputed<T>(body: () => T): T
}

export function createTape(): Tape {
  const nodes: Node[] = []
  let block: number | null = null
  let blocks = 0
  return {
    nodes,
    commands: () => nodes.map((node) => node.command),
    apply(op, inputs, attributes, outputs) {
      const { inputNames, outputNames } = infoOf(op)
      const given: Readonly<Record<string, Tensor | null>> = inputs
      const asked: Readonly<Record<string, OutputShape | null>> = outputs
      const ordered = inputNames.map((name) => given[name])
      const rows = rowsOfOutputs(op, ordered, attributes)
      const made: Record<string, Tensor | null> = {}
      for (const name of outputNames) {
        const output = asked[name]
        made[name] = output && tensorHandle('transient', output.dtype, output.shape, rows[name])
      }
      nodes.push({
        command: {
          op,
          direction: 'forward',
          inputs: ordered,
          outputs: outputNames.map((name) => made[name]),
          attributes: flattenAttributes(op, attributes),
        },
        block,
      })
      return made as { [O in OutputName<typeof op>]: Tensor | null }
    },
    recomputed(body) {
      if (block !== null) return body()
      block = blocks
      blocks += 1
      try {
        return body()
      } finally {
        block = null
      }
    },
  }
}

/** Attributes in the table's order; a list is preceded by its length. */
export function flattenAttributes<K extends OpName>(op: K, attributes: Attributes<K>): number[] {
  const values: Readonly<Record<string, number | readonly number[]>> = attributes
  return infoOf(op).attributeNames.flatMap((name) => {
    const value = values[name]
    return typeof value === 'number' ? [value] : [value.length, ...value]
  })
}

/**
 * The backward pass as commands: reverse-mode differentiation over the tape. It begins at the ops that make their
 * gradient forward (targetLogProbs), follows only what leads to a parameter, and adds each parameter's gradient to the
 * tensor given for it.
 *
 * @param parameterGradients  by id of the trainable tensor: where its gradient is summed
 * @param weighLater          gradients made forward were made with weights of 1, and are multiplied by the weights here:
 *                            for weights that are known when the forward pass was read, see `Engine.finish`
 */
export function backward(
  tape: Tape,
  parameterGradients: ReadonlyMap<number, Tensor>,
  { weighLater = false }: { weighLater?: boolean } = {},
): Command[] {
  const needsGradient = new Set(parameterGradients.keys())
  for (const { command } of tape.nodes) {
    const wanted = differentiableInputs(command)
    if (wanted.some((tensor) => tensor && needsGradient.has(tensor.id)))
      for (const tensor of command.outputs) if (tensor) needsGradient.add(tensor.id)
  }

  const commands: Command[] = []
  const gradients = new Map<number, Tensor>()
  const recomputation = new Map<number, Tensor>()
  const producers = new Map(
    tape.nodes.flatMap(({ command }) => {
      const remade = remadeOutput(command)
      return remade ? [[remade.id, command]] : []
    }),
  )
  // What the next vjp makes again besides its gradients, and the vjp that waits to read it.
  let waiting: { again: Tensor; reader: Command } | null = null
  let openBlock: number | null = null
  for (let index = tape.nodes.length - 1; index >= 0; index -= 1) {
    const { command, block } = tape.nodes[index]
    if (block !== openBlock) {
      recomputation.clear()
      openBlock = block
      if (block !== null) recompute(tape.nodes, index, block, recomputation, commands)
    }
    addVjp(command, index > 0 ? remadeOutput(tape.nodes[index - 1].command) : null)
  }
  return commands

  /**
   * Emits the vjp of an op. Gradients that read `remade`, which the op before it made and makes again in its own vjp, are
   * left to a command of their own behind that.
   */
  function addVjp(forward: Command, remade: Tensor | null): void {
    const info = infoOf(forward.op)
    const { inputNames, outputNames } = info
    const input = (name: string) => forward.inputs[inputNames.indexOf(name)]
    const output = (name: string) => forward.outputs[outputNames.indexOf(name)]

    if (info.gradientMadeForward) {
      const [to, made, by] = info.gradientMadeForward
      const target = input(to)
      const gradient = output(made)
      if (target && gradient && needsGradient.has(target.id))
        setGradient(target, weighLater && by ? weighed(gradient, input(by)) : gradient, forward.op)
    }
    const outputGradients = forward.outputs.map((tensor) => (tensor && gradients.get(tensor.id)) ?? null)
    if (!info.gradientMadeForward && outputGradients.every((gradient) => gradient === null)) return

    const wanted = new Set(
      info.gradients.filter((name) => {
        const tensor = input(name)
        return tensor !== null && needsGradient.has(tensor.id)
      }),
    )
    const accumulate: boolean[] = []
    const results: (Tensor | null)[] = []
    for (const name of info.gradients) {
      const tensor = input(name)
      if (!tensor || !wanted.has(name)) {
        accumulate.push(false)
        results.push(null)
        continue
      }
      const existing = parameterGradients.get(tensor.id) ?? gradients.get(tensor.id)
      accumulate.push(existing !== undefined)
      const gradient = existing ?? like(tensor)
      gradients.set(tensor.id, gradient)
      results.push(gradient)
    }
    if (info.passesGradient) {
      const [to, from] = info.passesGradient
      const target = input(to)
      const gradient = outputGradients[outputNames.indexOf(from)]
      if (target && gradient && needsGradient.has(target.id)) setGradient(target, gradient, forward.op)
    }
    if (wanted.size === 0) return

    const attributes = attributesOf(forward)
    const savedFor = (names: Iterable<string>) => new Set(info.saved(new Set(names), attributes))
    const vjpFor = (chosen: ReadonlySet<string>): Command => {
      const saved = savedFor(chosen)
      const keep = (tensor: Tensor | null, name: string) => (tensor && saved.has(name) ? kept(tensor) : null)
      return {
        op: forward.op,
        direction: 'vjp',
        inputs: [
          ...forward.inputs.map((tensor, i) => keep(tensor, inputNames[i])),
          ...forward.outputs.map((tensor, i) => keep(tensor, outputNames[i])),
          ...outputGradients,
        ],
        outputs: results.map((tensor, i) => (chosen.has(info.gradients[i]) ? tensor : null)),
        attributes: forward.attributes,
        accumulate,
      }
    }

    const source = remade && needsGradient.has(remade.id) ? forward.inputs.indexOf(remade) : -1
    const later = new Set([...wanted].filter((name) => savedFor([name]).has(inputNames[source])))
    const vjp = vjpFor(new Set([...wanted].filter((name) => !later.has(name))))
    if (waiting) {
      const { again, reader } = waiting
      commands.push({ ...vjp, outputs: [...vjp.outputs, again] }, reader)
      waiting = null
    } else {
      commands.push(vjp)
    }
    if (remade && later.size > 0) {
      const again = like(remade)
      recomputation.set(remade.id, again)
      waiting = { again, reader: vjpFor(later) }
    }
  }

  /** The tensor, or a copy that is computed here from its inputs when it is cheaper not to keep it. */
  function kept(tensor: Tensor): Tensor {
    const producer = producers.get(tensor.id)
    if (producer && !recomputation.has(tensor.id)) emitAgain(producer, recomputation, commands)
    return recomputation.get(tensor.id) ?? tensor
  }

  /** A gradient that was made with weights of 1, in place times the weights. */
  function weighed(gradient: Tensor, weights: Tensor | null): Tensor {
    const y = like(gradient)
    const forward = { op: 'scaleRows', direction: 'forward', attributes: [] } as const
    commands.push({ ...forward, inputs: [gradient, weights], outputs: [y] })
    return y
  }

  function setGradient(target: Tensor, gradient: Tensor, op: OpName): void {
    if (gradients.has(target.id))
      throw new Error(`${op}: its input already has a gradient and the op can only pass one on, not add`)
    gradients.set(target.id, gradient)
  }
}

/**
 * Emits the forward commands of a block once more, with outputs of their own. All but node `last`, whose result the
 * next block keeps as its input.
 */
function recompute(
  nodes: readonly Node[],
  last: number,
  block: number,
  replaced: Map<number, Tensor>,
  commands: Command[],
): void {
  let first = last
  while (first > 0 && nodes[first - 1].block === block) first -= 1
  for (const { command } of nodes.slice(first, last)) emitAgain(command, replaced, commands)
}

/** Emits a forward command once more, reading and making copies where there are some in `replaced`. */
function emitAgain(command: Command, replaced: Map<number, Tensor>, commands: Command[]): void {
  commands.push({
    ...command,
    inputs: command.inputs.map((tensor) => tensor && (replaced.get(tensor.id) ?? tensor)),
    outputs: command.outputs.map((tensor) => {
      if (!tensor) return null
      const copy = like(tensor)
      replaced.set(tensor.id, copy)
      return copy
    }),
  })
}

/** A new tensor of the same type, shape and rows. */
function like({ dtype, shape, rows }: Tensor): Tensor {
  return tensorHandle('transient', dtype, shape, rows)
}

/** The output of a command that is cheaper to make again than to keep. */
function remadeOutput({ op, outputs }: Command): Tensor | null {
  const { remade, outputNames } = infoOf(op)
  return remade === undefined ? null : outputs[outputNames.indexOf(remade)]
}

function differentiableInputs(command: Command): (Tensor | null)[] {
  const info = infoOf(command.op)
  const passed = info.passesGradient ? [info.passesGradient[0]] : []
  const made = info.gradientMadeForward ? [info.gradientMadeForward[0]] : []
  return [...info.gradients, ...passed, ...made].map((name) => command.inputs[info.inputNames.indexOf(name)])
}

/** Scalar attributes by name; lists are left out, since no `saved` rule reads them. */
function attributesOf(command: Command): Record<string, number> {
  return Object.fromEntries(infoOf(command.op).attributeNames.map((name, i) => [name, command.attributes[i]]))
}
