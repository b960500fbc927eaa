import type { ChatTemplate } from '../chat/index.ts'
import { findStopTokens } from '../chat/index.ts'
import type { FettleError, Problem } from '../error.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import type { FinishedRun } from './finished-run.ts'
import { isJsonObject, type JsonObject } from './json-file.ts'
import type { Machine } from './machine.ts'
import type { AdapterFiles, ModelFiles } from './model-files.ts'
import type { DataReference, RunSettings } from './run-settings.ts'

/** Whether rows are trained on or held out. */
export type Split = 'train' | 'eval'

/** A tokenizer with what its files say beyond what it does. */
export interface TokenizerFacts {
  /** Folder or file. */
  path: string
  tokenizer: Tokenizer
  /** tokenizer_config.json; empty for GGUF files. */
  config: JsonObject
  /** The compiled chat template, where there is one and it is readable. */
  template?: ChatTemplate
}

/** A file of data, and whether it is trained on. */
export interface DataFile extends DataReference {
  split: Split
}

/** Everything that was found to look at. What could not be read is in `problems`. */
export interface Patient {
  model?: ModelFiles
  adapter?: AdapterFiles
  /** The tokenizer in use: the adapter's own where it has one, else the model's. */
  tokenizer?: TokenizerFacts
  /** The base model's, where the adapter has its own. */
  baseTokenizer?: TokenizerFacts
  run?: RunSettings
  finished?: FinishedRun
  data: DataFile[]
  machine: Machine
  problems: FettleError[]
  /** What the model's files hold that is not read or not obeyed. */
  notices: Problem[]
  /** Data that a run of another tool names by what they are called in its registry or on the hub. */
  elsewhere: string[]
}

/** The tokens that the template writes after an answer; undefined without a template. */
export function templateStops(patient: Patient): string[] | undefined {
  const { tokenizer: facts } = patient
  if (facts?.template === undefined) return undefined
  const { bosToken, eosToken, specialTokens } = facts.tokenizer
  return findStopTokens(facts.template, { bosToken, eosToken, specialTokens })
}

/** Whether an adapter is trained, or was. */
export function adapts(patient: Patient): boolean {
  const { run, adapter } = patient
  return adapter !== undefined || (run !== undefined && run.lora !== undefined && run.lora !== null)
}

/** A matrix with a row for each token. */
export type TokenMatrix = 'embed_tokens' | 'lm_head'

/** Whether the rows of new tokens are trained: with everything, by modules_to_save or by token. */
export function trainsRowsOf({ run, adapter }: Patient, matrix: TokenMatrix): boolean {
  if (run?.lora === null) return true
  const saved = [run?.lora?.modulesToSave ?? [], adapter?.config['modules_to_save'] ?? []].flat()
  if (saved.includes(matrix)) return true
  const tokens = run?.lora?.trainableTokens ?? adapter?.config['trainable_token_indices']
  // A list is for the embedding; a head of its own has to be named.
  return isJsonObject(tokens)
    ? matrix in tokens
    : Array.isArray(tokens)
      ? matrix === 'embed_tokens'
      : tokens === true
}
