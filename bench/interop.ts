// fettle and PEFT on the same rows of a real model: see bench/README.md.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ComparedStep } from './interop/fettle-side.ts'
import { trainFettle, writeLogits } from './interop/fettle-side.ts'
import { runPython } from './interop/python.ts'
import { readPaths, runOptions } from './interop/setting.ts'
import { table } from './table.ts'

/** What train_peft.py prints. */
interface PeftRun {
  steps: ComparedStep[]
  tensors: number
  max_difference: number
  max_movement: number
  relative_difference: number
}

interface LogitErrors {
  max_error: number
  rms_error: number
  same_best_token: number
}

/** What compare_logits.py prints. */
interface LogitComparison {
  positions: number
  rms_logit: number
  fettle_float32: LogitErrors
  fettle_bfloat16: LogitErrors
  peft_bfloat16: LogitErrors
}

/** Largest differences that are allowed. */
const tolerances = { loss: 1e-3, gradNorm: 1e-2, adapter: 1e-2, logits: 1e-3, bfloat16: 1.1 }

const paths = readPaths(process.argv.slice(2))
if (paths.family !== undefined)
  await runPython(paths, 'tiny_model.py', [paths.family, paths.model, paths.tokenizer])
const fettle = await trainFettle(paths)
const peft = await runPython<PeftRun>(paths, 'train_peft.py', [
  paths.model,
  paths.rows,
  paths.initial,
  paths.run,
  paths.peftRun,
  JSON.stringify(runOptions(paths)),
])
const steps = fettle.map((ours, i) => {
  const theirs = peft.steps[i]
  return {
    step: i + 1,
    learned_tokens: ours.learned_tokens,
    fettle: ours,
    peft: theirs,
    loss_difference: Math.abs(ours.loss - theirs.loss),
    grad_norm_relative_difference: Math.abs(ours.grad_norm / theirs.grad_norm - 1),
  }
})
console.log(
  table(
    ['step', 'learned', 'loss fettle', 'loss PEFT', 'apart', 'norm fettle', 'norm PEFT', 'apart', 'rate'],
    steps.map(({ step, learned_tokens, fettle: ours, peft: theirs, ...apart }) => [
      String(step),
      String(learned_tokens),
      ours.loss.toFixed(6),
      theirs.loss.toFixed(6),
      apart.loss_difference.toExponential(1),
      ours.grad_norm.toFixed(6),
      theirs.grad_norm.toFixed(6),
      apart.grad_norm_relative_difference.toExponential(1),
      `${ours.learning_rate.toExponential(3)}${Math.abs(ours.learning_rate - theirs.learning_rate) < 1e-9 ? '' : ' ≠'}`,
    ]),
  ),
)
console.log(
  `final adapter: ${peft.tensors} tensors, at most ${peft.max_difference.toExponential(2)} apart (the largest movement is ` +
    `${peft.max_movement.toExponential(2)}); norm of the difference / norm of the movement ${peft.relative_difference.toExponential(2)}\n`,
)

const logits: Record<string, LogitComparison> = {}
for (const adapter of paths.adapters) {
  const files = await writeLogits(paths, adapter)
  const compared = await runPython<LogitComparison>(paths, 'compare_logits.py', [
    paths.model,
    adapter,
    files.documents,
    files.float32,
    files.bfloat16,
  ])
  logits[adapter] = compared
  const errors = Object.entries({
    'fettle float32': compared.fettle_float32,
    'fettle bfloat16': compared.fettle_bfloat16,
    'PEFT bfloat16': compared.peft_bfloat16,
  })
  console.log(
    table(
      [`logits of ${adapter} against PEFT in float32`, 'root mean square', 'largest', 'same best token'],
      errors.map(([name, { rms_error, max_error, same_best_token }]) => [
        name,
        rms_error.toExponential(2),
        max_error.toExponential(2),
        `${(same_best_token * 100).toFixed(1)}%`,
      ]),
    ),
  )
}
const every = (holds: (compared: LogitComparison) => boolean) => Object.values(logits).every(holds)
const checks = {
  loss: Math.max(...steps.map(({ loss_difference }) => loss_difference)) <= tolerances.loss,
  grad_norm: Math.max(...steps.map((step) => step.grad_norm_relative_difference)) <= tolerances.gradNorm,
  adapter: peft.relative_difference <= tolerances.adapter,
  logits_float32: every(({ fettle_float32 }) => fettle_float32.max_error <= tolerances.logits),
  logits_bfloat16: every(
    ({ fettle_bfloat16, peft_bfloat16 }) =>
      fettle_bfloat16.rms_error <= tolerances.bfloat16 * peft_bfloat16.rms_error,
  ),
}
const { steps: _, ...adapter } = peft
const result = { steps, adapter, logits, tolerances, checks }
await writeFile(join(paths.out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
const failed = Object.entries(checks).filter(([, holds]) => !holds)
console.log(
  failed.length === 0
    ? `\nAll within tolerance; ${join(paths.out, 'result.json')}`
    : `\nOut of tolerance: ${failed.map(([name]) => name).join(', ')}`,
)
process.exitCode = failed.length === 0 ? 0 : 1
