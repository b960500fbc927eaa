import type { Expression, Statement } from '../parse/syntax.ts'
import { Undefined, orElse, type Value } from '../types/values.ts'
import { resolveName, type Activation, type Output } from './runtime.ts'
import { Symbols, Unit, type Register } from './scope.ts'

/** A compiled expression. */
export type Evaluate = (activation: Activation) => Value

/** How a statement ends: a loop control leaves all statements up to its loop. */
export type Signal = 'break' | 'continue' | undefined

/** A compiled statement. */
export type Execute = (activation: Activation, output: Output) => Signal

/** Where an expression or a statement is compiled. */
export interface Frame {
  readonly source: string
  readonly symbols: Symbols
  readonly unit: Unit
  /** Inside a branch: jinja2 then complains of an unknown filter or test only when it is reached. */
  readonly isSoft: boolean
  readonly isInLoop: boolean
  /** The compilers of all kinds, which those of single kinds call for what stands inside. */
  readonly compilers: {
    readonly expression: (expression: Expression, frame: Frame) => Evaluate
    readonly body: (statements: readonly Statement[], frame: Frame) => Execute
  }
}

/** Compiles an expression into a function of the activation. */
export function compileExpression(expression: Expression, frame: Frame): Evaluate {
  return frame.compilers.expression(expression, frame)
}

/** Compiles the body of a frame whose symbols are already known. */
export function compileBody(statements: readonly Statement[], frame: Frame): Execute {
  return frame.compilers.body(statements, frame)
}

/** A frame inside another, with variables of its own; in a unit of its own no loop control leaves it. */
export function innerFrame(frame: Frame, unit = frame.unit): Frame {
  const isInLoop = frame.isInLoop && unit === frame.unit
  return { ...frame, unit, symbols: new Symbols(unit, frame.symbols), isSoft: false, isInLoop }
}

/** Compiles reading a register, which may belong to a unit further out. */
function compileRead(register: Register, unit: Unit): (activation: Activation) => Value | undefined {
  const { index } = register
  const hops = unit.depth - register.unit.depth
  if (hops === 0) return (activation) => activation.registers[index]
  return (activation) => {
    let holder: Activation | undefined = activation
    for (let hop = 0; hop < hops; hop += 1) holder = holder?.parent
    return holder?.registers[index]
  }
}

/** Compiles a variable. */
export function compileName(name: string, frame: Frame): Evaluate {
  const register = frame.symbols.find(name)
  const missing = new Undefined(`'${name}' is undefined`)
  if (register === undefined) return () => missing
  const { index } = register
  if (register.unit === frame.unit) return (activation) => orElse(activation.registers[index], missing)
  const read = compileRead(register, frame.unit)
  return (activation) => orElse(read(activation), missing)
}

/** Compiles what fills a frame's variables when it is entered. */
export function compileEntry({ symbols, unit }: Frame): (activation: Activation) => void {
  const steps = [...symbols.loads].flatMap(([register, load]): ((activation: Activation) => void)[] => {
    const { index } = register
    if (load.kind === 'undefined') return [(activation) => void (activation.registers[index] = undefined)]
    if (load.kind === 'resolve') {
      const { name } = load
      return [(activation) => void (activation.registers[index] = resolveName(activation.render, name))]
    }
    if (load.kind === 'parameter') return []
    const read = compileRead(load.register, unit)
    return [(activation) => void (activation.registers[index] = read(activation))]
  })
  return (activation) => {
    for (const step of steps) step(activation)
  }
}
