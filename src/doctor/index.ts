// What is wrong with a model, its tokenizer, template, data, adapter or run, found before it costs a training run.
// Each check is one file in a folder of checks/ and says what it saw, why it hurts and how to cure it; collect.ts reads the files.
// numeric/ tests the arithmetic on the user's own model: batches, packing, padding and merging.
export { applyFixes, type AppliedFix } from './apply-fixes.ts'
export { checkNames, type CheckName } from './check-names.ts'
export { checks } from './checks/index.ts'
export { collect, type Subjects } from './collect.ts'
export { diagnose, type DiagnoseInput } from './diagnose.ts'
export type { Diagnosis, Evidence, Excerpt, Fix, Severity } from './diagnosis.ts'
export type { Machine } from './machine.ts'
export { reportMachine, type MachineReport } from './machine-report.ts'
export { numericSelfTests, type NumericResult } from './numeric/index.ts'
