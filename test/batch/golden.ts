import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PackingStrategy } from '../../src/batch/index.ts'

/** What the collator of TRL 1.16 was given and made; recorded from the real library. */
export interface CollatorCase {
  options: {
    pad_token_id: number
    pad_to_multiple_of?: number
    padding_free?: boolean
    return_position_ids?: boolean
  }
  examples: { input_ids: number[]; labels?: number[]; seq_lengths?: number[] }[]
  batch: {
    input_ids: number[][]
    labels: number[][]
    attention_mask?: number[][]
    position_ids?: number[][]
    seq_idx?: number[][]
  }
}

interface SftCase {
  options: {
    max_length: number
    truncation_mode?: 'keep_start' | 'keep_end'
    completion_only_loss?: boolean
    assistant_only_loss?: boolean
  }
  rows: Record<string, unknown>[]
  prepared: { input_ids: number[]; labels: number[] }[]
  batches: { input_ids: number[][]; labels: number[][]; attention_mask: number[][] }[]
}

interface PackingCase {
  strategy: PackingStrategy
  seq_length: number
  lengths: number[]
  bin_sizes: number[]
  bin_pieces: [number, number, number][][]
  tokens_kept: number
  fill: number
}

interface Golden {
  collator: CollatorCase[]
  sft: Record<string, SftCase>
  packing: PackingCase[]
}

export const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/collate/golden.json'), 'utf8'),
) as Golden
