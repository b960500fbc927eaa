import { basename } from 'node:path'
import type { EvalEvent } from '../../train/index.ts'
import { isJsonObject } from '../../formats/foreign/index.ts'
import type { ChosenFiles, ModelKind } from './choose-files.ts'
import { loadingText } from './loading-text.ts'
import type { Provenance } from './provenance.ts'
import { version } from '../../version.ts'
import { plural } from '../../plural.ts'

/** Who loads it, and what it is to its base, as the Hub names both. */
const kinds: { readonly [Kind in ModelKind]: { library: string; relation: string; what: string } } = {
  adapter: { library: 'peft', relation: 'adapter', what: 'A LoRA adapter' },
  model: { library: 'transformers', relation: 'finetune', what: 'A fine-tuned model' },
  gguf: { library: 'gguf', relation: 'quantized', what: 'A fine-tuned model for llama.cpp' },
  ollama: { library: 'gguf', relation: 'quantized', what: 'A fine-tuned model for Ollama' },
  onnx: {
    library: 'transformers.js',
    relation: 'quantized',
    what: 'A fine-tuned model for Transformers.js and onnxruntime',
  },
  'mlx-adapter': { library: 'mlx', relation: 'adapter', what: 'A LoRA adapter for mlx-lm' },
}

/**
 * The model card, README.md of the repository: what the Hub reads at its top, how the model is loaded, what it was made of, and how it was
 * measured. It says what files here say, and nothing else; no text of the data stands in it.
 */
export function modelCard(repo: string, chosen: ChosenFiles, provenance: Provenance): string {
  const { base } = provenance
  const { what } = kinds[chosen.kind]
  const made = base === undefined ? '' : ` of [${base}](https://huggingface.co/${base})`
  const sections = [
    frontMatter(chosen, provenance),
    `# ${repo.slice(repo.indexOf('/') + 1)}`,
    `${what}${made}, trained with [fettle](https://www.npmjs.com/package/fettle) ${version()}.`,
    `## How to load it\n\n${loadingText(repo, chosen, base)}`,
    trainingText(provenance),
    dataText(provenance),
    lossText(provenance),
    certificateText(provenance),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function frontMatter({ kind }: ChosenFiles, { base, license, record }: Provenance): string {
  const { library, relation } = kinds[kind]
  const method = record?.identity.fixed['method']
  const isLora = record?.identity.fixed['lora'] === true || relation === 'adapter'
  const tags = ['fettle', ...(isLora ? ['lora'] : []), ...(typeof method === 'string' ? [method] : [])]
  return [
    '---',
    ...(license === undefined ? [] : [`license: ${JSON.stringify(license)}`]),
    ...(base === undefined ? [] : [`base_model: ${base}`, `base_model_relation: ${relation}`]),
    `library_name: ${library}`,
    'pipeline_tag: text-generation',
    'tags:',
    ...tags.map((tag) => `- ${tag}`),
    '---',
  ].join('\n')
}

type Line = readonly [string, string | number | boolean | null | undefined]

/** What is said of a run's options; names are those of run files. */
const shownOptions: readonly string[] = [
  'method',
  'loss_type',
  'beta',
  'lora.r',
  'lora.lora_alpha',
  'lora.target_modules',
  'lora.use_rslora',
  'lora.use_dora',
  'quantization',
  'dtype',
  'learning_rate',
  'lr_scheduler_type',
  'optim',
  'weight_decay',
  'per_device_train_batch_size',
  'gradient_accumulation_steps',
  'max_length',
  'packing',
  'seed',
]

function trainingText({ record, events }: Provenance): string {
  if (record === undefined) return ''
  const { fixed, extendable } = record.identity
  const lines = shownOptions.flatMap((name): Line[] => {
    const value = fixed[name] ?? extendable[name]
    if (value === null || value === undefined || value === false) return []
    return [[`\`${name}\``, typeof value === 'object' ? JSON.stringify(value) : value]]
  })
  return table('Training', [
    ['steps', record.result?.step ?? events?.end?.step],
    ['trainable parameters', number(fixed['trainable_parameters'])],
    ['parameters', number(events?.start?.parameters)],
    ...lines,
    ['base model (hash of its weights)', code(record.identity.base)],
  ])
}

function dataText({ record, events }: Provenance): string {
  if (record === undefined) return ''
  const { data } = record.identity
  const start = events?.start
  const ledger = table('Data: what was learned', [
    ['examples', number(data.examples)],
    ['tokens', number(data.tokens)],
    ['of these learned', number(start?.learned_tokens)],
    ['rows left out as unusable', number(start?.invalid_rows)],
    ['duplicates left out', number(start?.duplicates)],
    ['rows held out for evaluation', number(start?.held_out)],
    ['tokens that truncation dropped', number(start?.truncated_tokens)],
    ['turns that lost their stop token to it', number(start?.truncated_stops)],
    ...Object.entries(start?.spans ?? {}).map(([status, count]): Line => [
      `learned turns whose borders are ${status}`,
      number(count),
    ]),
    ['prepared examples (hash)', code(data.hash)],
  ])
  const files = (data.files ?? []).map(({ path, hash }) => `| ${cell(basename(path))} | ${code(hash)} |`)
  if (files.length === 0) return ledger
  return `${ledger}\n\n| file | SHA-256 |\n|---|---|\n${files.join('\n')}\n\nThe data itself is not in this repository.`
}

function lossText({ events }: Provenance): string {
  if (events === undefined) return ''
  const { steps, evaluations } = events
  const best = evaluations.find(({ best: isBest }) => isBest === true)
  const lines: Line[] = [
    ...(steps.length > 0
      ? [lossLine('training', steps[0]), lossLine('training', steps[steps.length - 1])]
      : []),
    ...(evaluations.length > 0 ? [evaluation('held out', evaluations[0])] : []),
    ...(evaluations.length > 1 ? [evaluation('held out', evaluations[evaluations.length - 1])] : []),
    ...(best === undefined ? [] : [evaluation('held out, the best', best)]),
  ]
  return table('Loss, in nats a learned token', lines)
}

function lossLine(of: string, { step, loss }: { step: number; loss: number }): Line {
  return [`${of}, after ${plural(step, 'step')}`, loss.toFixed(4)]
}

function evaluation(of: string, event: EvalEvent): Line {
  const [name, loss] = lossLine(of, event)
  const accuracy = event.mean_token_accuracy
  const stop = event.stop_probability
  const more = [
    ...(accuracy === undefined ? [] : [`accuracy ${accuracy.toFixed(3)}`]),
    ...(stop === null ? [] : [`probability of the stop token ${stop.toFixed(3)}`]),
  ]
  return [name, [loss, ...more].join(', ')]
}

function certificateText({ certificate }: Provenance): string {
  if (certificate === undefined || !Array.isArray(certificate['forms'])) return ''
  const forms = certificate['forms'].filter(isJsonObject)
  if (forms.length === 0) return ''
  const rows = forms.map((form) => {
    const { type, runtime, kl, agreement, bound, verdict } = form
    const where = isJsonObject(runtime)
      ? `${text(runtime['name'])} ${text(runtime['version'])}`.trim()
      : 'nothing here'
    return `| ${cell(text(type))} | ${cell(where)} | ${shown(kl)} | ${shown(agreement)} | ${shown(bound)} | ${cell(text(verdict))} |`
  })
  return [
    '## Certificate',
    'How near these files are to the model as it was trained, on evaluation rows: the mean divergence of its next tokens in nats (KL), and',
    'the share of places where the likeliest token is the same. `certificate.json` has the hashes.',
    '',
    '| type | measured in | KL | agreement | bound | verdict |',
    '|---|---|---|---|---|---|',
    ...rows,
  ]
    .join('\n')
    .replace('Certificate\n', 'Certificate\n\n')
}

function table(title: string, lines: readonly Line[]): string {
  const rows = lines
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `| ${name} | ${cell(String(value))} |`)
  return rows.length === 0 ? '' : `## ${title}\n\n| | |\n|---|---|\n${rows.join('\n')}`
}

function number(value: unknown): string | undefined {
  return typeof value === 'number' ? value.toLocaleString('en-US') : undefined
}

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toPrecision(3) : 'not measured'
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function code(value: string | null): string | undefined {
  return value === null ? undefined : `\`${value.replace('sha256:', '')}\``
}

/** What stands in a cell must not end it. */
function cell(value: string): string {
  return value.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')
}
