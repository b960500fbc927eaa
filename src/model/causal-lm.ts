import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { EngineName } from '../engine/index.ts'
import { createEngine } from '../engine/index.ts'
import { quantizations } from '../engine/index.ts'
import type { DType, Engine, Quantization } from '../engine/index.ts'
import { bytesPerElement } from '../engine/tensor.ts'
import { FettleError } from '../error.ts'
import { float32ToBfloat16, float32ToFloat16, writeFileAtomic, writeSafetensors } from '../formats/index.ts'
import type { TensorToWrite } from '../formats/index.ts'
import type { Decoder, GenerateOptions } from '../generate/index.ts'
import { generateTokens } from '../generate/index.ts'
import type { LoraConfig } from '../peft/index.ts'
import { loraConfig } from '../peft/index.ts'
import { addAdapter, loadAdapter, saveAdapter, trainedTensors } from './adapter.ts'
import { parseModelConfig } from './config.ts'
import { createDecoder } from './decoder.ts'
import { flattenBatch } from './flatten.ts'
import type { FlatTokens, ForwardInputs, TokenMatrix } from './flatten.ts'
import { openModel } from './load.ts'
import { mergeAdapter } from './merge-adapter.ts'
import type { ModelState } from './model-state.ts'
import { loadModelState, readSlot, trainAllParameters } from './model-state.ts'
import { clearGradients, createOptimiser } from './optimiser.ts'
import type { Passes } from './passes.ts'
import { createPasses } from './passes.ts'
import { activationBytesPerToken } from './recompute.ts'
import type { ResizeOptions } from './resize.ts'
import { resizeEmbeddings } from './resize.ts'
import { openRandomStore } from './random-store.ts'
import { allSlots, modelSlots } from './slots.ts'
import { putTokenRows } from './token-rows.ts'
import type { WeightStore } from './weight-store.ts'

/** How a model is loaded. */
export interface LoadOptions {
  /** Compute type; `auto` is the stored type where the engine has it, else its preferred one. */
  dtype?: 'auto' | 'float32' | 'bfloat16'
  /** Without it: native where it was built, else reference. */
  engine?: EngineName
  threads?: number
  /**
   * Hold the linear layers of the decoder in 8 or 4 bits, with bitsandbytes' values. They are frozen: train an adapter.
   * Generation reads the head in 8 bits; embedding, norms and activations stay in `dtype`.
   */
  quantization?: Quantization | null
}

/** Numbers with a shape. */
export interface NumberArray {
  data: Float32Array
  shape: number[]
}

/** A causal language model on an engine. */
export class AutoModelForCausalLM {
  readonly #state: ModelState
  readonly #passes: Passes
  /** The adapter that is being put on: what comes after waits for it, also when the caller did not. */
  #adding: Promise<unknown> = Promise.resolve()
  /** config.json as it was read, or as the GGUF metadata say. */
  readonly config: Record<string, unknown>
  /** generation_config.json; saved with the model. Set `eos_token_id` here to keep it in step with training. */
  generationConfig: Record<string, unknown>
  /** The path it was loaded from. */
  readonly nameOrPath: string

  private constructor(state: ModelState, path: string, generationConfig: Record<string, unknown> | null) {
    this.#state = state
    this.#passes = createPasses(state)
    this.config = state.config.raw
    this.nameOrPath = path
    this.generationConfig = generationConfig ?? {
      ...(state.config.bosTokenId !== undefined && { bos_token_id: state.config.bosTokenId }),
      ...(state.config.eosTokenIds.length > 0 && {
        eos_token_id:
          state.config.eosTokenIds.length === 1 ? state.config.eosTokenIds[0] : state.config.eosTokenIds,
      }),
    }
  }

  /**
   * Loads a Hugging Face folder or a GGUF file.
   *
   * @throws FettleError for what cannot be read, with place and cure
   */
  static async fromPretrained(path: string, options: LoadOptions = {}): Promise<AutoModelForCausalLM> {
    const quantization = quantizationOf(options)
    const { config, slots, store, generationConfig } = await openModel(path)
    const engine = createEngine(options)
    const activation = computeType(engine, store.dtype, options.dtype)
    const state = await loadModelState(engine, config, slots, store, { activation, quantization })
    return new AutoModelForCausalLM(state, path, generationConfig)
  }

  /** A model with fresh random weights, from the fields of a config.json. */
  static async fromConfig(
    raw: Record<string, unknown>,
    { seed = 42, ...options }: LoadOptions & { seed?: number } = {},
  ): Promise<AutoModelForCausalLM> {
    const quantization = quantizationOf(options)
    const config = parseModelConfig(raw, 'config')
    const slots = modelSlots(config)
    const deviation = typeof raw['initializer_range'] === 'number' ? raw['initializer_range'] : 0.02
    const store = openRandomStore(allSlots(slots), deviation, seed)
    const engine = createEngine(options)
    const activation = computeType(engine, store.dtype, options.dtype)
    const state = await loadModelState(engine, config, slots, store, { activation, quantization })
    return new AutoModelForCausalLM(state, 'random weights', null)
  }

  /** What computes: engine, instruction set and threads. */
  get engine(): { name: string; isa: string; threads: number } {
    const { name, isa, threads } = this.#state.engine
    return { name, isa, threads }
  }

  get dtype(): DType {
    return this.#state.activation
  }

  /** How the linear layers of the decoder are held; null: in `dtype`. */
  get quantization(): Quantization | null {
    return this.#state.quantization
  }

  get vocabSize(): number {
    return this.#state.config.vocabSize
  }

  get maxPositions(): number {
    return this.#state.config.maxPositions
  }

  get modelType(): string {
    return this.#state.config.modelType
  }

  /** Number of parameters of the base model. */
  get parameterCount(): number {
    return allSlots(this.#state.slots).reduce(
      (sum, { parts, columns }) => sum + parts.reduce((rows, part) => rows + part.rows, 0) * columns,
      0,
    )
  }

  /** Number of trainable parameters; 0 before an adapter is added or everything is trained. */
  get trainableCount(): number {
    return this.#state.trainable?.size ?? 0
  }

  /** The adapter's configuration, if there is one. */
  get adapterConfig(): LoraConfig | null {
    return this.#state.adapter?.config ?? null
  }

  /**
   * Logits [batch, time, vocab] (zeros at padding) and, with labels, the mean loss over the unmasked shifted labels.
   */
  async forward(inputs: ForwardInputs): Promise<{ logits: NumberArray; loss?: number }> {
    await this.#adding
    const flat = flattenBatch(inputs, this.vocabSize)
    const logits = await this.#passes.logits(flat)
    const width = this.vocabSize
    const data = new Float32Array(flat.batch * flat.time * width)
    flat.places.forEach((place, i) => data.set(logits.subarray(i * width, (i + 1) * width), place * width))
    const shaped = { data, shape: [flat.batch, flat.time, width] }
    return inputs.labels ? { logits: shaped, loss: await this.#meanLoss(flat) } : { logits: shaped }
  }

  async #meanLoss(flat: FlatTokens): Promise<number> {
    const { losses } = await this.#passes.losses(flat)
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
  }

  /**
   * Gradients of the mean loss, by name: of the adapter, or without one of every parameter.
   */
  async gradients(inputs: ForwardInputs): Promise<Map<string, NumberArray>> {
    await this.trainable()
    const flat = flattenBatch(inputs, this.vocabSize)
    const learned = flat.targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0)
    if (learned === 0)
      throw new FettleError({
        place: 'labels',
        found: inputs.labels ? 'nothing to learn' : 'nothing',
        expected: 'token ids, −100 where nothing is learned; the first of a row is never predicted',
      })
    await clearGradients(this.#state)
    await this.#passes.losses(flat, { gradientScale: 1 / learned })
    const gradients = new Map<string, NumberArray>()
    for (const { name, shape, data } of trainedTensors(this.#state, 'gradient'))
      gradients.set(name, { data: await data(), shape: [...shape] })
    await clearGradients(this.#state)
    return gradients
  }

  /** A padded batch as flat tokens, as `training().losses` takes them. */
  flatten(inputs: ForwardInputs): FlatTokens {
    return flattenBatch(inputs, this.vocabSize)
  }

  /** New tokens for each prompt; `attentionMask` marks left padding. */
  async generate(
    inputs: { inputIds: TokenMatrix; attentionMask?: TokenMatrix },
    options: GenerateOptions = {},
  ): Promise<number[][]> {
    const flat = flattenBatch(inputs, this.vocabSize)
    const prompts: number[][] = Array.from({ length: flat.batch }, () => [])
    flat.places.forEach((place, i) => prompts[Math.floor(place / flat.time)].push(flat.ids[i]))
    return this.generateFrom(prompts, options)
  }

  /** `generate` for prompts of different lengths, without padding. */
  async generateFrom(prompts: readonly number[][], options: GenerateOptions = {}): Promise<number[][]> {
    await this.#adding
    const eos = this.generationConfig['eos_token_id']
    const stopTokenIds =
      options.stopTokenIds ?? (Array.isArray(eos) ? eos : [eos]).filter((id) => typeof id === 'number')
    const longest = prompts.reduce((length, prompt) => Math.max(length, prompt.length), 0)
    const decoder = this.decoder(prompts.length, longest + (options.maxNewTokens ?? 256))
    try {
      return await generateTokens(decoder, prompts, { ...options, stopTokenIds })
    } finally {
      decoder.free()
    }
  }

  /** A key-value cache for `slots` sequences of at most `capacity` tokens each. */
  decoder(slots: number, capacity: number): Decoder {
    return createDecoder(this.#state, slots, capacity)
  }

  /** Puts a fresh LoRA adapter on the model; its base weights are frozen from now on. */
  addAdapter(config: Partial<LoraConfig>, seed = 42): Promise<void> {
    const adding = this.#adding.then(() =>
      addAdapter(this.#state, loraConfig({ baseModelNameOrPath: this.nameOrPath, ...config }), seed),
    )
    this.#adding = adding.catch(() => {})
    return adding
  }

  /** Loads an adapter that PEFT or fettle saved; it stays trainable. */
  async loadAdapter(folder: string): Promise<void> {
    await this.#adding
    await loadAdapter(this.#state, folder)
  }

  /** Writes adapter_config.json and adapter_model.safetensors. */
  async saveAdapter(folder: string): Promise<void> {
    await this.#adding
    await saveAdapter(this.#state, folder)
  }

  /** Adds the adapter to the weights. */
  async mergeAdapter(): Promise<void> {
    await this.#adding
    await mergeAdapter(this.#state)
  }

  /** New rows of the embeddings (and the head) get the mean of the old ones. */
  async resizeTokenEmbeddings(size: number, options: ResizeOptions = {}): Promise<void> {
    await this.#adding
    await resizeEmbeddings(this.#state, size, options)
  }

  /**
   * Writes config.json, generation_config.json and model.safetensors, in the compute type (float16 where asked).
   * An adapter is left out: merge it first.
   */
  async save(folder: string, options: { dtype?: 'float32' | 'bfloat16' | 'float16' } = {}): Promise<void> {
    const dtype = options.dtype ?? (this.dtype === 'bfloat16' ? 'bfloat16' : 'float32')
    await this.#adding
    if (this.#state.config.rope.factors)
      throw new FettleError({
        place: `${this.nameOrPath}: tensor rope_freqs.weight`,
        found: 'divisors of the rotation frequencies that are not those of Llama 3',
        expected: 'a scaling that config.json can say',
        cure: 'Train from the Hugging Face folder of the model; adapters can be saved all the same.',
      })
    await mkdir(folder, { recursive: true })
    await writeSafetensors(join(folder, 'model.safetensors'), storedTensors(this.#state, dtype))
    await writeFileAtomic(
      join(folder, 'generation_config.json'),
      `${JSON.stringify(this.generationConfig, null, 2)}\n`,
    )
    const { torch_dtype: _, ...config } = this.config
    await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify({ ...config, dtype }, null, 2)}\n`)
  }

  /** Makes everything trainable unless an adapter is there. */
  async trainable(): Promise<void> {
    await this.#adding
    await trainAllParameters(this.#state)
  }

  /** What the training loop works with: passes that sum gradients, the optimiser, and the flat state to save. */
  async training() {
    await this.trainable()
    const state = this.#state
    const optimiser = createOptimiser(state)
    const { engine, trainable } = state
    if (!trainable) throw new Error('nothing is trainable')
    const flat = { parameters: trainable.parameters, m: optimiser.m, v: optimiser.v }
    return {
      losses: this.#passes.losses,
      optimiser,
      /** Lets go of this share of the layers' frozen weights after each use; 0 of none. */
      streamWeights(share: number): void {
        const { layers } = state.slots
        const streamed = layers
          .slice(0, Math.round(share * layers.length))
          .flatMap((layer) =>
            [layer.qkv, layer.output, layer.gateUp, layer.down].flatMap(
              ({ key }) => state.frozen.get(key) ?? [],
            ),
          )
        engine.stream(streamed)
      },
      /** Parameters and moments, flat: of `size` values those from `start` on. */
      async readState(name: keyof typeof flat, start = 0, end = trainable.size): Promise<Float32Array> {
        const part = engine.view(flat[name], start, [end - start])
        const values = (await engine.read(part)) as Float32Array
        engine.free(part)
        return values
      },
      writeState(saved: { [K in keyof typeof flat]: Float32Array }): void {
        for (const key of ['parameters', 'm', 'v'] as const) {
          if (saved[key].length !== trainable.size)
            throw new FettleError({
              place: `checkpoint: ${key}`,
              found: `${saved[key].length} values`,
              expected: `${trainable.size}`,
              cure: 'The checkpoint belongs to another model or another lora section.',
            })
          engine.write(flat[key], saved[key])
        }
        putTokenRows(state, saved.parameters)
      },
    }
  }

  /** Bytes that a training pass keeps of each token until its backward pass, where nothing is computed again. */
  get activationBytesPerToken(): number {
    return activationBytesPerToken(this.#state.config, bytesPerElement[this.#state.activation])
  }

  /** Forward passes without gradients, for evaluation. */
  get passes(): Passes {
    return this.#passes
  }

  /** Milliseconds spent in each op since the last call. */
  profile(): Map<string, number> {
    return this.#state.engine.profile()
  }
}

/** The model's tensors one after the other, each read when it is written. */
function storedTensors(state: ModelState, dtype: 'float32' | 'bfloat16' | 'float16'): TensorToWrite[] {
  const stored = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' } as const
  return allSlots(state.slots).flatMap((slot) => {
    let row = 0
    return slot.parts.map(({ name, rows }): TensorToWrite => {
      const start = row * slot.columns
      row += rows
      return {
        name,
        dtype: stored[dtype],
        shape: slot.kind === 'matrix' ? [rows, slot.columns] : [rows],
        async data() {
          const values = (await readSlot(state, slot)).subarray(start, start + rows * slot.columns)
          if (dtype === 'float32') return values
          return dtype === 'bfloat16' ? float32ToBfloat16(values) : float32ToFloat16(values)
        },
      }
    })
  })
}

function quantizationOf({ quantization: given }: { quantization?: unknown }): Quantization | null {
  if (given === undefined || given === null) return null
  const known = quantizations.find((name) => name === given)
  if (known) return known
  throw new FettleError({
    place: 'quantization',
    found: String(given),
    expected: `${quantizations.join(', ')} or null`,
  })
}

function computeType(
  engine: Engine,
  stored: WeightStore['dtype'],
  wanted: LoadOptions['dtype'] = 'auto',
): DType {
  const storedType = stored === 'F32' ? 'float32' : 'bfloat16'
  const dtype = wanted === 'auto' ? storedType : wanted
  if (engine.activationTypes.includes(dtype)) return dtype
  if (wanted === 'auto') return engine.activationTypes[0]
  throw new FettleError({
    place: 'dtype',
    found: wanted,
    expected: `${engine.activationTypes.join(' or ')} on the ${engine.name} engine`,
  })
}
