import { type Check } from '../../check.ts'
import type { Draft } from '../../diagnosis.ts'
import type { JsonObject } from '../../json-file.ts'
import { adapts, type Patient } from '../../patient.ts'
import { plural } from '../../../plural.ts'

/*
 * What programs that serve models take of an adapter, as their sources read it: vLLM 0.33 (vllm/lora, vllm/config/lora.py), llama.cpp
 * (convert_lora_to_gguf.py), Ollama (convert.go, which runs llama.cpp) and Transformers.js 4.
 */

/** What serving depends on, whether the adapter is there or will be trained. */
interface Served {
  /** What `adapter_config.json` says or will say, by PEFT's names. */
  settings: JsonObject
  targets: readonly string[]
  /** Tensors of experts that LoRA is on; the weight of a module is served as the module. */
  experts: readonly string[]
  saved: readonly string[]
  hasTokens: boolean
  rank: number
  family: string
  isTied: boolean
  /** Whether the adapter's own tokenizer has another template than the base's, or more tokens. */
  hasOwnTemplate: boolean
  hasNewTokens: boolean
}

/** Where an adapter can be served as it is, and where only merged. */
export const servedWhere: Check = {
  looksFor:
    'programs that serve an adapter only after it was merged into its model, or not without an option',
  examine(patient) {
    // fettle trains an adapter unless it is told not to.
    if (!adapts(patient) && (patient.run?.maker !== 'fettle' || patient.run.lora === null)) return []
    const served = servedOf(patient)
    const reasons: [server: string, merged: string[], hints: string[]][] = [
      ['vLLM', vllmReasons(served), vllmHints(served)],
      ['llama.cpp', llamaReasons(served), ['as a GGUF adapter (convert_lora_to_gguf.py)']],
      [
        'Ollama',
        llamaReasons(served),
        ['as a GGUF adapter: it reads safetensors of two families, and transposed'],
      ],
      ['Transformers.js', ['it has no adapters'], []],
    ]
    const mergedIn = reasons.filter(([, merged]) => merged.length > 0).map(([server]) => server)
    return [draftOf(patient, reasons, mergedIn)]
  },
}

function draftOf(
  { adapter, run }: Patient,
  reasons: readonly [server: string, merged: string[], hints: string[]][],
  mergedIn: readonly string[],
): Draft {
  return {
    severity: 'note',
    place: adapter?.path ?? run?.place ?? 'lora',
    found: `an adapter that ${plural(reasons.length - mergedIn.length, 'program serves', 'programs serve')} as it is, and ${mergedIn.join(', ')} only merged`,
    evidence: reasons.map(([server, merged, hints]) => ({
      place: server,
      says: merged.length > 0 ? `merged: ${merged.join('; ')}` : ['as it is', ...hints].join(', '),
    })),
    why: 'A server that does not know a part of an adapter refuses it, or answers without that part.',
    cure: 'fettle merge writes the model with the adapter in it, its template and its generation config.',
  }
}

function servedOf({ adapter, run, model, tokenizer, baseTokenizer }: Patient): Served {
  const settings = adapter?.config ?? run?.lora?.values ?? {}
  const tokens = adapter ? settings['trainable_token_indices'] : run?.lora?.trainableTokens
  const base = baseTokenizer?.tokenizer
  return {
    settings,
    targets: adapter ? textsOf(settings['target_modules']) : textsOf(run?.lora?.targetModules),
    experts: (adapter ? textsOf(settings['target_parameters']) : (run?.lora?.targetParameters ?? [])).filter(
      (name) => !name.endsWith('.weight'),
    ),
    saved: adapter ? textsOf(settings['modules_to_save']) : (run?.lora?.modulesToSave ?? []),
    hasTokens: tokens !== undefined && tokens !== null && tokens !== false,
    rank: Math.max(
      Number((adapter ? settings['r'] : run?.lora?.r) ?? 0),
      ...ranksOf(settings['rank_pattern']),
    ),
    family: String(model?.config['model_type'] ?? ''),
    isTied: model?.config['tie_word_embeddings'] === true,
    hasOwnTemplate:
      run?.chatTemplate !== undefined ||
      (base !== undefined && tokenizer?.tokenizer.chatTemplate !== base.chatTemplate),
    hasNewTokens: base !== undefined && (tokenizer?.tokenizer.vocabSize ?? 0) > base.vocabSize,
  }
}

function ranksOf(pattern: unknown): number[] {
  return typeof pattern === 'object' && pattern !== null ? Object.values(pattern).map(Number) : []
}

function textsOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : Array.isArray(value) ? value.map(String) : []
}

/** What neither vLLM nor llama.cpp has a place for. */
function commonReasons({ settings, saved, hasTokens, hasNewTokens }: Served): string[] {
  const init = settings['init_lora_weights']
  return [
    saved.length > 0 && `modules_to_save: ${saved.join(', ')}`,
    hasTokens && 'trainable_token_indices',
    settings['use_dora'] === true && 'use_dora',
    (settings['bias'] ?? 'none') !== 'none' && `bias: ${String(settings['bias'])}`,
    settings['lora_bias'] === true && 'lora_bias',
    typeof init === 'string' &&
      /^(pissa|olora|corda|loftq)/.test(init) &&
      `init_lora_weights: ${init}, which changes the base's weights`,
    isFilled(settings['layer_replication']) && 'layer_replication',
    hasNewTokens && 'tokens that the base model has not',
  ].filter((reason) => reason !== false)
}

/** Ranks that vLLM can be started with. */
const vllmRanks = [1, 8, 16, 32, 64, 128, 256, 320, 512]

function vllmReasons(served: Served): string[] {
  const most = Math.max(...vllmRanks)
  const { experts, family, rank } = served
  return [
    ...commonReasons(served),
    ...(rank > most ? [`r: ${rank}, and at most ${most}`] : []),
    ...(experts.length > 0 && !readsExperts(served)
      ? [`target_parameters: of ${family} it reads LoRA on experts one by one`]
      : []),
  ]
}

/** Of models whose class says so it takes LoRA on both tensors of experts, as PEFT saves it (vllm/lora/model_manager.py). */
function readsExperts({ experts, family }: Served): boolean {
  return (
    family === 'gpt_oss' &&
    ['gate_up_proj', 'down_proj'].every((name) => experts.some((each) => each.endsWith(name)))
  )
}

function vllmHints({ rank, hasOwnTemplate }: Served): string[] {
  const allowed = vllmRanks.find((most) => most >= rank)
  return [
    ...(rank > 16 ? [`with --max-lora-rank ${allowed}`] : []),
    ...(hasOwnTemplate ? ["with --chat-template and the adapter's template: it takes the base's"] : []),
  ]
}

function llamaReasons(served: Served): string[] {
  const { settings, targets, experts, family, isTied } = served
  const ranks = ['rank_pattern', 'alpha_pattern'].filter((key) => isFilled(settings[key]))
  return [
    ...commonReasons(served),
    ...(settings['use_rslora'] === true ? ['use_rslora: a GGUF adapter is scaled by alpha / r'] : []),
    ...ranks.map((key) => `${key}: a GGUF adapter has one alpha`),
    ...(experts.length > 0 ? ['target_parameters: its converter knows LoRA on modules only'] : []),
    ...(isTied && targets.includes('lm_head') ? ['LoRA on a head that is the embedding'] : []),
    ...(/^(qwen3_5|gemma4)/.test(family) ? [`its converter fails for adapters of ${family}`] : []),
  ]
}

function isFilled(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}
