import type { Expression, Statement, Target } from '../parse/syntax.ts'
import { namesIn } from '../parse/walk.ts'

/** A function of the compiled template: the root, a macro, a recursive loop, a loop's filter. Each call has its own registers. */
export class Unit {
  readonly parent: Unit | undefined
  readonly depth: number
  private readonly registers = new Map<string, Register>()

  constructor(parent?: Unit) {
    this.parent = parent
    this.depth = parent === undefined ? 0 : parent.depth + 1
  }

  /** The register of a name at a level; frames of the same level never live at the same time. */
  register(level: number, name: string): Register {
    const key = `${level}:${name}`
    const known = this.registers.get(key)
    if (known !== undefined) return known
    const register: Register = { unit: this, index: this.registers.size }
    this.registers.set(key, register)
    return register
  }
}

/** Where a variable lives at run time. */
export interface Register {
  readonly unit: Unit
  readonly index: number
}

/** How a register gets its value when its frame is entered. */
export type Load =
  | { kind: 'parameter' }
  | { kind: 'resolve'; name: string }
  | { kind: 'alias'; register: Register }
  | { kind: 'undefined' }

/**
 * The variables of one frame: a port of jinja2's idtracking, because what a template may see of a name that is
 * set later, in one branch only, or in a loop follows from it.
 */
export class Symbols {
  readonly unit: Unit
  readonly parent: Symbols | undefined
  readonly level: number
  refs = new Map<string, Register>()
  loads = new Map<Register, Load>()
  stores = new Set<string>()

  constructor(unit: Unit, parent?: Symbols) {
    this.unit = unit
    this.parent = parent
    this.level = parent === undefined ? 0 : parent.level + 1
  }

  /** The register that a name means here. */
  find(name: string): Register | undefined {
    return this.refs.get(name) ?? this.parent?.find(name)
  }

  /** Makes the name a parameter of the frame: something else fills its register. */
  declare(name: string): Register {
    this.stores.add(name)
    return this.define(name, { kind: 'parameter' })
  }

  /** Notes that the frame reads the name. */
  load(name: string): void {
    if (this.find(name) === undefined) this.define(name, { kind: 'resolve', name })
  }

  /** Notes that the frame assigns the name. */
  store(name: string): void {
    this.stores.add(name)
    if (this.refs.has(name)) return
    const outer = this.parent?.find(name)
    this.define(name, outer === undefined ? { kind: 'undefined' } : { kind: 'alias', register: outer })
  }

  /** A copy for one branch of an `if`. */
  branch(): Symbols {
    const copy = new Symbols(this.unit, this.parent)
    copy.refs = new Map(this.refs)
    copy.loads = new Map(this.loads)
    copy.stores = new Set(this.stores)
    return copy
  }

  /** Takes the branches back: what one of them assigns has its outer value where that one is not taken. */
  merge(branches: readonly Symbols[]): void {
    const assigned = new Set<string>()
    for (const branch of branches)
      for (const name of branch.stores) if (!this.stores.has(name)) assigned.add(name)
    for (const branch of branches) {
      for (const [name, register] of branch.refs) this.refs.set(name, register)
      for (const [register, load] of branch.loads) this.loads.set(register, load)
      for (const name of branch.stores) this.stores.add(name)
    }
    for (const name of assigned) {
      const register = this.find(name)
      const outer = this.parent?.find(name)
      if (register === undefined) continue
      this.loads.set(
        register,
        outer === undefined ? { kind: 'resolve', name } : { kind: 'alias', register: outer },
      )
    }
  }

  private define(name: string, load: Load): Register {
    const register = this.unit.register(this.level, name)
    this.refs.set(name, register)
    this.loads.set(register, load)
    return register
  }
}

/** Notes what statements read and assign in a frame; bodies with frames of their own are left out. */
export function analyze(symbols: Symbols, statements: readonly Statement[]): void {
  for (const statement of statements) analyzeStatement(symbols, statement)
}

function analyzeStatement(symbols: Symbols, statement: Statement): void {
  switch (statement.kind) {
    case 'output':
      return analyzeExpression(symbols, statement.value)
    case 'set':
      analyzeExpression(symbols, statement.value)
      return analyzeTarget(symbols, statement.target, false)
    case 'set-block':
      return analyzeTarget(symbols, statement.target, false)
    case 'if': {
      // In jinja2 the tests of `elif` belong to their branch.
      const [first, ...rest] = statement.branches
      if (first === undefined) return
      analyzeExpression(symbols, first.test)
      const body = symbols.branch()
      analyze(body, first.body)
      const alternatives = symbols.branch()
      for (const { test, body: inside } of rest) {
        analyzeExpression(alternatives, test)
        const own = alternatives.branch()
        analyze(own, inside)
        alternatives.merge([own, alternatives.branch(), alternatives.branch()])
      }
      const otherwise = symbols.branch()
      analyze(otherwise, statement.otherwise)
      return symbols.merge([body, alternatives, otherwise])
    }
    case 'for':
      return analyzeExpression(symbols, statement.iterable)
    case 'macro':
      return symbols.store(statement.name)
    case 'call-block':
      return analyzeExpression(symbols, statement.call)
    case 'filter-block':
      return analyzeExpression(symbols, statement.filter)
    case 'data':
    case 'generation':
    case 'break':
    case 'continue':
  }
}

/** Notes an assignment; `asParameter` for loop variables. */
export function analyzeTarget(symbols: Symbols, target: Target, asParameter: boolean): void {
  if (target.kind === 'name') {
    if (asParameter) symbols.declare(target.name)
    else symbols.store(target.name)
  } else if (target.kind === 'target-attribute') symbols.load(target.name)
  else for (const item of target.items) analyzeTarget(symbols, item, asParameter)
}

/** Notes the names that an expression reads. */
export function analyzeExpression(symbols: Symbols, expression: Expression): void {
  for (const name of namesIn(expression)) symbols.load(name)
}
