import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hashFile } from '../../formats/index.ts'
import type { ModelPaths } from '../../pipeline/index.ts'
import { version } from '../../version.ts'
import type { ExportSource } from '../format.ts'
import type { ExportOptions } from '../options.ts'
import { boundOf, verdictOf, type Certificate, type CertifiedForm, type HashedFile } from './certificate.ts'
import { answersOf, compareRow, type CompareOptions } from './compare-rows.ts'
import { readPrompts, type EvaluationPrompt } from './evaluation-prompts.ts'
import { exportedForms, type Exported, type ExportedForm } from './exported-forms.ts'
import { fettleRunner } from './fettle-runner.ts'

/** Tokens of an answer that are compared. */
const newTokens = 24

/**
 * What an export is made of, and, where there are rows to ask, how near the exported form is to the model with its adapter as fettle runs
 * it. The live model answers first and is gone before the exported one is loaded.
 */
export async function certify(
  { paths, tokenizer, stopSet }: Pick<ExportSource, 'paths' | 'tokenizer' | 'stopSet'>,
  exported: Exported,
  options: ExportOptions,
): Promise<Certificate> {
  const { evalData = [], certificateRows = 8, certificateBound } = options
  const prompts = await readPrompts([evalData].flat(), tokenizer, certificateRows)
  const comparing = { tokenizer, stops: new Set(stopSet.ids), newTokens }
  const forms = exportedForms(exported)
  const isAsked = prompts.length > 0 && forms.length > 0
  const compared = isAsked ? await compareForms(forms, prompts, comparing, options) : []
  const judged = compared.map((form) => judge(form, certificateBound ?? boundOf(form.type)))
  const template = tokenizer.chatTemplate
  return {
    fettle: version(),
    created: new Date().toISOString(),
    format: exported.format,
    verdict: verdictOf(judged),
    ...noteOf([evalData].flat(), prompts, forms),
    base: { path: paths.model, files: await hashed(paths.model) },
    adapter: paths.adapter === undefined ? null : { path: paths.adapter, files: await hashed(paths.adapter) },
    tokenizer: await hashOfTokenizer(paths),
    template: template === undefined ? null : { sha256: sha256(template) },
    stop_token_ids: stopSet.ids,
    files: await Promise.all(exported.files.map(({ path, bytes }) => hashedFile(path, bytes))),
    forms: judged,
  }
}

/** Why nothing was asked, where that is so. */
function noteOf(
  given: readonly string[],
  prompts: readonly EvaluationPrompt[],
  forms: readonly ExportedForm[],
): { note?: string } {
  if (given.length === 0) return { note: 'No evaluation rows were given: --eval-data FILE.' }
  if (prompts.length === 0) return { note: 'No evaluation row has a prompt that could be asked.' }
  return forms.length === 0 ? { note: 'Nothing here runs this form by itself.' } : {}
}

type Unjudged = Omit<CertifiedForm, 'bound' | 'verdict'>

async function compareForms(
  forms: readonly ExportedForm[],
  prompts: readonly EvaluationPrompt[],
  comparing: CompareOptions,
  { model, adapter, quantization, doubleQuantization, engine, threads }: ExportOptions,
): Promise<Unjudged[]> {
  const capacity = Math.max(...prompts.map(({ ids }) => ids.length)) + newTokens + 1
  const live = await fettleRunner(
    { model, adapter },
    {
      capacity,
      isTarget: true,
      load: {
        quantization: quantization ?? null,
        doubleQuantization: doubleQuantization ?? false,
        ...(engine !== undefined && { engine }),
        ...(threads !== undefined && { threads }),
      },
    },
  )
  const answers = await answersOf(live, prompts, comparing).finally(() => live.close())
  const compared: Unjudged[] = []
  for (const { path, type, open } of forms) {
    const { runner, note } = await open(capacity)
    const rows = []
    if (runner) {
      try {
        for (const [i, prompt] of prompts.entries())
          rows.push(await compareRow(runner, prompt, answers[i], comparing))
      } finally {
        await runner.close()
      }
    }
    compared.push({
      path,
      type,
      runtime: runner?.runtime ?? null,
      ...(note !== undefined && { note }),
      rows,
      kl: meanOf(rows.map(({ kl }) => kl)),
      agreement: meanOf(rows.map(({ agreement }) => agreement)),
      same_answers: rows.filter((row) => row.same_answer).length,
    })
  }
  return compared
}

function judge(form: Unjudged, bound: number): CertifiedForm {
  // No number is not below a bound either.
  const verdict = form.kl === null ? 'not measured' : form.kl <= bound ? 'passed' : 'failed'
  return { ...form, bound, verdict }
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The files that a model or an adapter is. */
async function hashed(path: string): Promise<HashedFile[]> {
  if (statSync(path).isFile()) return [await hashedFile(path, statSync(path).size)]
  const names = (await readdir(path))
    .filter((name) => /\.(safetensors|json|jinja|model)$/.test(name))
    .toSorted()
  const files: HashedFile[] = []
  for (const name of names) files.push(await hashedFile(join(path, name), statSync(join(path, name)).size))
  return files
}

async function hashedFile(path: string, bytes: number): Promise<HashedFile> {
  return { path, bytes, sha256: await hashFile(path) }
}

/** tokenizer.json of the adapter's folder, else of the model's; the file of a GGUF model has its tokenizer inside. */
async function hashOfTokenizer({ model, adapter }: ModelPaths): Promise<HashedFile | null> {
  const found = [adapter, model]
    .map((folder) => join(folder ?? '', 'tokenizer.json'))
    .find((path) => existsSync(path))
  return found === undefined ? null : hashedFile(found, statSync(found).size)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
