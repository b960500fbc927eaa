import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { FettleError, messageOf } from '../../error.ts'
import { hashFile, passingPath, removePath } from '../../formats/index.ts'
import type { ModelPaths } from '../../pipeline/index.ts'
import { defaultPython } from '../../python.ts'
import { version } from '../../version.ts'
import type { ExportSource } from '../format.ts'
import type { ExportOptions } from '../options.ts'
import type { CertificateRows } from './certificate-rows.ts'
import { boundOf, judge, verdictOf, type Certificate, type HashedFile, type Unjudged } from './certificate.ts'
import { answersOf, compareRow, type CompareOptions, type LiveAnswer } from './compare-rows.ts'
import type { EvaluationPrompt } from './evaluation-prompts.ts'
import { exportedForms, type AskedForm, type Exported, type ExportedForm } from './exported-forms.ts'
import { fettleRunner, type FettleLoading } from './fettle-runner.ts'
import { speechOf } from './own-speech.ts'
import type { Speech } from './runner.ts'

/** Tokens of an answer that are compared. */
const newTokens = 48

/**
 * What an export is made of, and, where there are rows to ask, how near the exported form is to the model with its adapter as fettle runs
 * it. The live model answers first and is gone before the exported one is loaded.
 */
export async function certify(
  { paths, tokenizer, stopSet }: Pick<ExportSource, 'paths' | 'tokenizer' | 'stopSet'>,
  exported: Exported,
  { prompts, from, note }: CertificateRows,
  options: ExportOptions,
): Promise<Certificate> {
  const { signal, onProgress } = options
  const forms = exportedForms(exported)
  const all = prompts.length * (1 + forms.length)
  let done = 0
  const onRow = (): void => onProgress?.({ tensors: 0, all: 0, rows: { done: (done += 1), all } })
  const comparing = { tokenizer, newTokens, signal, onRow }
  const speech = speechOf(tokenizer, stopSet.ids)
  const endings = stopSet.tokens.filter(({ sources }) => sources.includes('template')).map(({ id }) => id)
  const asked = { prompts, comparing, speech, endings }
  const { folder } = exported
  const compared = prompts.length > 0 ? await compareForms(forms, paths, asked, { ...options, folder }) : []
  // mlx-lm computes an adapter in what its base is stored in.
  const storedIn = exported.format === 'mlx-lora' ? 'stored' : undefined
  const judged = compared.map((form) =>
    judge(form, options.certificateBound ?? boundOf(storedIn ?? form.type)),
  )
  const template = tokenizer.chatTemplate
  return {
    fettle: version(),
    created: new Date().toISOString(),
    format: exported.format,
    verdict: verdictOf(judged),
    ...(note !== undefined && { note }),
    ...(from !== undefined && { rows_from: from }),
    base: { path: paths.model, files: await hashed(paths.model) },
    adapter: paths.adapter === undefined ? null : { path: paths.adapter, files: await hashed(paths.adapter) },
    tokenizer: await hashOfTokenizer(paths),
    template: template === undefined ? null : { sha256: sha256(template) },
    stop_token_ids: stopSet.ids,
    files: await Promise.all(
      exported.files.map(async ({ name, path }) => ({
        ...(await hashedFile(join(exported.folder, name))),
        path,
      })),
    ),
    forms: judged,
  }
}

type ComparedOptions = Pick<
  ExportOptions,
  'quantization' | 'doubleQuantization' | 'engine' | 'threads' | 'python'
>

/** What is asked, and how. */
export interface Asked {
  prompts: readonly EvaluationPrompt[]
  comparing: CompareOptions
  speech: Speech
  /** Tokens that end a turn as the template writes it. */
  endings: readonly number[]
}

/** What the live model and each form say, one model after the other in memory. */
export async function compareForms(
  forms: readonly ExportedForm[],
  paths: ModelPaths,
  asked: Asked,
  options: ComparedOptions & { folder: string },
): Promise<Unjudged[]> {
  const { prompts, comparing, speech } = asked
  const { quantization, doubleQuantization, engine, threads } = options
  const python = options.python ?? (await defaultPython())
  const capacity = Math.max(...prompts.map(({ ids }) => ids.length)) + newTokens + 1
  const load: FettleLoading = {
    quantization: quantization ?? null,
    doubleQuantization: doubleQuantization ?? false,
    ...(engine !== undefined && { engine }),
    ...(threads !== undefined && { threads }),
  }
  const live = await fettleRunner(paths, speech, { capacity, isTarget: true, load })
  const answers = await answersOf(live, prompts, comparing).finally(() => live.close())
  const compared: Unjudged[] = []
  for (const form of forms) {
    const scratch = await passingPath(join(dirname(resolve(options.folder)), 'fettle-certificate'))
    try {
      await mkdir(scratch)
      const how = { capacity, scratch, python, threads, liveSpeech: speech }
      compared.push(await compareForm(form, how, { ...asked, answers }))
    } finally {
      await removePath(scratch)
    }
  }
  return compared
}

async function compareForm(
  { path, type, open }: ExportedForm,
  how: AskedForm,
  { prompts, answers, comparing, endings }: Asked & { answers: readonly LiveAnswer[] },
): Promise<Unjudged> {
  const nothing = {
    path,
    type,
    runtime: null,
    rows: [],
    kl: null,
    agreement: null,
    same_answers: 0,
    same_prompts: 0,
    missing_stop_token_ids: [],
  }
  try {
    const { runner, note } = await open(how)
    if (!runner) return { ...nothing, note }
    const rows = []
    let missing: number[] = []
    try {
      for (const [i, prompt] of prompts.entries()) {
        rows.push(await compareRow(runner, prompt, answers[i], comparing))
        comparing.onRow()
      }
      missing = endings.filter((id) => !runner.isStop(id))
    } finally {
      await runner.close()
    }
    return {
      path,
      type,
      runtime: runner.runtime,
      ...(note !== undefined && { note }),
      rows,
      kl: meanOf(rows.map(({ kl }) => kl)),
      agreement: meanOf(rows.map(({ agreement }) => agreement)),
      same_answers: rows.filter((row) => row.same_answer).length,
      same_prompts: rows.filter((row) => row.same_prompt).length,
      missing_stop_token_ids: missing,
    }
  } catch (error) {
    if (comparing.signal?.aborted === true) throw error
    const found = error instanceof FettleError ? error.problems[0].found : messageOf(error)
    return {
      ...nothing,
      refusal: {
        found: `an error: ${found}`.slice(0, 200),
        expected: 'a form that the runtime loads and runs',
      },
    }
  }
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The files that a model or an adapter is. */
async function hashed(path: string): Promise<HashedFile[]> {
  if (statSync(path).isFile()) return [await hashedFile(path)]
  const names = (await readdir(path))
    .filter((name) => /\.(safetensors|json|jinja|model)$/.test(name))
    .toSorted()
  const files: HashedFile[] = []
  for (const name of names) files.push(await hashedFile(join(path, name)))
  return files
}

async function hashedFile(path: string): Promise<HashedFile> {
  return { path, bytes: statSync(path).size, sha256: await hashFile(path) }
}

/** tokenizer.json of the adapter's folder, else of the model's; the file of a GGUF model has its tokenizer inside. */
async function hashOfTokenizer({ model, adapter }: ModelPaths): Promise<HashedFile | null> {
  const found = [adapter, model]
    .map((folder) => join(folder ?? '', 'tokenizer.json'))
    .find((path) => existsSync(path))
  return found === undefined ? null : hashedFile(found)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
