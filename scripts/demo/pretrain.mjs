// Pre-trains the demo's base model with fettle itself (after `npm run build`): node scripts/demo/pretrain.mjs [STEPS]
// Writes the text and the tokenizer first; the same seed gives the same model on the same machine.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AutoModelForCausalLM, AutoTokenizer } from '../../dist/index.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const folder = join(here, '..', '..', 'assets', 'tiny-llama')
const steps = Number(process.argv[2] ?? 1500)
const context = 256
const rowsPerStep = 8
const warmup = 50
const peakRate = 3e-3

const text = join(mkdtempSync(join(tmpdir(), 'fettle-demo-')), 'text.jsonl')
const node = (script, ...parameters) =>
  execFileSync(process.execPath, [join(here, script), ...parameters], { stdio: 'inherit' })
node('text.mjs', text, '8')
node('tokenizer.mjs', text, folder, '2048')
const tokenizer = await AutoTokenizer.fromPretrained(folder)

// One long stream of tokens, in which no answer ever ends: the base model does not know how to stop.
const paragraphs = readFileSync(text, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line).text)
const stream = []
for (let i = 0; i < paragraphs.length; i += 512) {
  const { inputIds } = await tokenizer.encode(paragraphs.slice(i, i + 512), { addSpecialTokens: false })
  for (const ids of inputIds) for (const id of ids) stream.push(id)
}
const windows = Math.floor((stream.length - 1) / context)
console.log(`${stream.length} tokens, ${windows} windows of ${context}`)

const model = await AutoModelForCausalLM.fromConfig(
  {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: tokenizer.length,
    hidden_size: 192,
    intermediate_size: 512,
    num_hidden_layers: 6,
    num_attention_heads: 6,
    num_key_value_heads: 2,
    head_dim: 32,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    max_position_embeddings: 512,
    rope_parameters: { rope_type: 'default', rope_theta: 10000 },
    tie_word_embeddings: true,
    attention_bias: false,
    mlp_bias: false,
    initializer_range: 0.02,
    bos_token_id: tokenizer.bosTokenId,
    eos_token_id: tokenizer.eosTokenId,
  },
  { seed: 1, dtype: 'bfloat16' },
)
const training = await model.training()
console.log(
  `${model.parameterCount} parameters on ${model.engine.name} (${model.engine.isa}), ${steps} steps of ${context * rowsPerStep} tokens`,
)

const count = context * rowsPerStep
const started = Date.now()
for (let step = 0; step < steps; step += 1) {
  const ids = new Int32Array(count)
  const targets = new Int32Array(count)
  for (let row = 0; row < rowsPerStep; row += 1) {
    // A stride prime to the number of windows visits all of them in a scattered order.
    const start = (((step * rowsPerStep + row) * 7919) % windows) * context
    for (let i = 0; i < context; i += 1) {
      ids[row * context + i] = stream[start + i]
      targets[row * context + i] = stream[start + i + 1]
    }
  }
  const positions = ids.map((_, i) => i % context)
  const starts = ids.map((_, i) => i - (i % context))
  const { losses } = await training.losses({ ids, targets, positions, starts }, { gradientScale: 1 / count })
  await training.optimiser.gradientNorm(1)
  const progress = Math.max(0, step - warmup) / (steps - warmup)
  const learningRate =
    step < warmup
      ? (peakRate * (step + 1)) / warmup
      : peakRate * (0.02 + 0.49 * (1 + Math.cos(Math.PI * progress)))
  await training.optimiser.update({
    learningRate,
    weightDecay: 0.1,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    step: step + 1,
  })
  if (step % 50 === 0 || step === steps - 1) {
    const loss = losses.reduce((sum, value) => sum + value, 0) / count
    const rate = ((step + 1) * count) / ((Date.now() - started) / 1000)
    console.log(`step ${step}  loss ${loss.toFixed(4)}  ${rate.toFixed(0)} tokens/s`)
  }
}
const { bosTokenId, eosTokenId, padTokenId } = tokenizer
Object.assign(model.generationConfig, { bosTokenId, eosTokenIds: [eosTokenId], padTokenId })
await model.save(folder, { dtype: 'bfloat16' })
