/**
 * Regular expressions of files: those of tokenizer.json, written for Oniguruma, and those of adapters, written for Python. They
 * run on a matcher that counts its steps, so that none of them can hang or end the process.
 */
export type { StepBudget } from './machine.ts'
export { compilePattern, stepBudget, type Pattern } from './pattern.ts'
export type { Dialect } from './syntax.ts'
export { unassigned } from './character-classes.ts'
