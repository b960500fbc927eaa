/** The syntax tree of a template; `position` is an offset in the normalised source. */
interface At {
  position: number
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'
export type CompareOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in'

/** What stands between the parentheses of a call, a filter or a test. */
export interface Arguments {
  positional: Expression[]
  named: [name: string, value: Expression][]
  spread?: Expression
  spreadNamed?: Expression
}

export interface Name extends At {
  kind: 'name'
  name: string
}

export type Constant = string | number | bigint | boolean | null | { float: number }

export interface FilterExpression extends At {
  kind: 'filter'
  /** Absent in filter blocks: the block's own output. */
  target?: Expression
  name: string
  arguments: Arguments
}

export type Expression =
  | Name
  | FilterExpression
  | (At & { kind: 'constant'; value: Constant })
  | (At & { kind: 'tuple' | 'list' | 'concat'; items: Expression[] })
  | (At & { kind: 'dict'; entries: [key: Expression, value: Expression][] })
  | (At & { kind: 'attribute'; object: Expression; name: string })
  | (At & { kind: 'item'; object: Expression; key: Expression })
  | (At & { kind: 'slice'; start?: Expression; stop?: Expression; step?: Expression })
  | (At & { kind: 'call'; callee: Expression; arguments: Arguments })
  | (At & { kind: 'test'; target: Expression; name: string; arguments: Arguments })
  | (At & { kind: 'not' | 'negative' | 'positive'; operand: Expression })
  | (At & { kind: 'and' | 'or'; left: Expression; right: Expression })
  | (At & { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression })
  | (At & { kind: 'compare'; first: Expression; rest: [operator: CompareOperator, value: Expression][] })
  | (At & { kind: 'conditional'; test: Expression; whenTrue: Expression; otherwise?: Expression })

/** What `set` and `for` assign to. */
export type Target =
  | Name
  | (At & { kind: 'target-tuple'; items: Target[] })
  | (At & { kind: 'target-attribute'; name: string; attribute: string })

export interface Parameter {
  name: Name
  default?: Expression
}

export interface For extends At {
  kind: 'for'
  target: Target
  iterable: Expression
  test?: Expression
  body: Statement[]
  otherwise: Statement[]
}

export interface If extends At {
  kind: 'if'
  branches: { test: Expression; body: Statement[] }[]
  otherwise: Statement[]
}

/** A macro, or the body of a call block, which has the name `caller`. */
export interface Macro extends At {
  kind: 'macro'
  name: string
  parameters: Parameter[]
  body: Statement[]
}

export interface CallBlock extends At {
  kind: 'call-block'
  call: Expression & { kind: 'call' }
  caller: Macro
}

export type Statement =
  | For
  | If
  | Macro
  | CallBlock
  | (At & { kind: 'data'; text: string })
  | (At & { kind: 'output'; value: Expression })
  | (At & { kind: 'set'; target: Target; value: Expression })
  | (At & { kind: 'set-block'; target: Target; filter?: FilterExpression; body: Statement[] })
  | (At & { kind: 'filter-block'; filter: FilterExpression; body: Statement[] })
  | (At & { kind: 'generation'; body: Statement[] })
  | (At & { kind: 'break' | 'continue' })
