import { createEngine } from '../engine/index.ts'
import type { ActivationQuantization, DType, Quantization } from '../engine/index.ts'
import { bytesPerElement } from '../engine/tensor.ts'
import { FettleError } from '../error.ts'
import type { Decoder } from '../generate/index.ts'
import { createAssistant, generateTokens } from '../generate/index.ts'
import type { LoraConfig } from '../peft/index.ts'
import { loraConfig } from '../peft/index.ts'
import { addAdapter, loadAdapter, saveAdapter, trainedTensors } from './adapters/adapter.ts'
import { checkAssistant } from './assistant-model.ts'
import type { ModelGenerateOptions } from './assistant-model.ts'
import { parametersOf, vocabularyOf } from './blocks/architecture.ts'
import { describeModel } from './families/index.ts'
import { createCachedDecoder } from './passes/cached-decoder.ts'
import { flattenBatch } from './passes/flatten.ts'
import type { FlatTokens, ForwardInputs, TokenMatrix } from './passes/flatten.ts'
import { internalsOf, keepInternals } from './internals.ts'
import { computeType, readQuantization } from './load-options.ts'
import type { LoadOptions } from './load-options.ts'
import { openModel } from './weights/open-model.ts'
import { mergeAdapter } from './adapters/merge-adapter.ts'
import { runWithoutAdapter } from './adapters/without-adapter.ts'
import { quantizationOf } from './state/frozen-weights.ts'
import { loadModelState } from './state/load-state.ts'
import type { ModelState } from './state/model-state.ts'
import { trainAllParameters } from './state/train-state.ts'
import { clearGradients } from './passes/optimiser.ts'
import type { Passes } from './passes/passes.ts'
import { createPasses } from './passes/passes.ts'
import { activationBytesPerToken } from './passes/recompute.ts'
import type { ResizeOptions } from './resize.ts'
import { resizeEmbeddings } from './resize.ts'
import { openRandomStore } from './weights/random-store.ts'
import { saveModel } from './weights/save-model.ts'
import { rowCount } from './weights/parameters.ts'
import { trainingState } from './passes/training-state.ts'

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
    const makeTrainable = async () => {
      await this.#adding
      await trainAllParameters(state)
    }
    keepInternals(this, {
      state,
      passes: this.#passes,
      makeTrainable,
      training: async () => {
        await makeTrainable()
        return { losses: this.#passes.losses, ...trainingState(state) }
      },
      withoutAdapter: (body) => runWithoutAdapter(state, body),
      flatten: (inputs) => flattenBatch(inputs, vocabularyOf(state.architecture)),
      activationBytesPerToken: () =>
        activationBytesPerToken(state.architecture, bytesPerElement[state.activation]),
    })
    this.config = state.config.raw
    this.nameOrPath = path
    const { bosTokenId, eosTokenIds } = state.config
    this.generationConfig = generationConfig ?? {
      ...(bosTokenId !== null && { bos_token_id: bosTokenId }),
      ...(eosTokenIds.length > 0 && {
        eos_token_id: eosTokenIds.length === 1 ? eosTokenIds[0] : [...eosTokenIds],
      }),
    }
  }

  /**
   * Loads a Hugging Face folder or a GGUF file.
   *
   * @throws FettleError for what cannot be read, with place and cure
   */
  static async fromPretrained(path: string, options: LoadOptions = {}): Promise<AutoModelForCausalLM> {
    const quantized = readQuantization(options)
    const { store, generationConfig, ...description } = await openModel(path)
    const engine = createEngine(options)
    const activation = computeType(engine, store.dtype, options.dtype)
    const state = await loadModelState(engine, description, store, { activation, ...quantized })
    return new AutoModelForCausalLM(state, path, generationConfig)
  }

  /** A model with fresh random weights, from the fields of a config.json. */
  static async fromConfig(
    raw: Record<string, unknown>,
    { seed = 42, ...options }: LoadOptions & { seed?: number } = {},
  ): Promise<AutoModelForCausalLM> {
    const quantized = readQuantization(options)
    const description = describeModel(raw, 'config')
    const deviation = typeof raw['initializer_range'] === 'number' ? raw['initializer_range'] : 0.02
    const store = openRandomStore(parametersOf(description.architecture), deviation, seed)
    const engine = createEngine(options)
    const activation = computeType(engine, store.dtype, options.dtype)
    const state = await loadModelState(engine, description, store, { activation, ...quantized })
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

  /** How the linear layers of the decoder are held, but for those that an adapter was merged into; null: all in `dtype`. */
  get quantization(): Quantization | null {
    return quantizationOf(this.#state)
  }

  /** How activations are rounded where they meet these layers in passes of many tokens; null: not at all. */
  get activationQuantization(): ActivationQuantization | null {
    return this.quantization === null ? null : this.#state.activationQuantization
  }

  get vocabSize(): number {
    return vocabularyOf(this.#state.architecture)
  }

  get maxPositions(): number {
    return this.#state.architecture.maxPositions
  }

  get modelType(): string {
    return this.#state.config.modelType
  }

  /** Number of parameters of the base model. */
  get parameterCount(): number {
    return parametersOf(this.#state.architecture).reduce(
      (sum, parameter) => sum + rowCount(parameter) * parameter.columns,
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
    await internalsOf(this).makeTrainable()
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

  /** New tokens for each prompt; `attentionMask` marks left padding. */
  async generate(
    inputs: { inputIds: TokenMatrix; attentionMask?: TokenMatrix },
    options: ModelGenerateOptions = {},
  ): Promise<number[][]> {
    const flat = flattenBatch(inputs, this.vocabSize)
    const prompts: number[][] = Array.from({ length: flat.batch }, () => [])
    flat.places.forEach((place, i) => prompts[Math.floor(place / flat.time)].push(flat.ids[i]))
    return this.generateFrom(prompts, options)
  }

  /** `generate` for prompts of different lengths, without padding. */
  async generateFrom(
    prompts: readonly number[][],
    { assistantModel, numAssistantTokens, ...options }: ModelGenerateOptions = {},
  ): Promise<number[][]> {
    await this.#adding
    if (assistantModel) checkAssistant(this, assistantModel)
    const eos = this.generationConfig['eos_token_id']
    const stopTokenIds =
      options.stopTokenIds ?? (Array.isArray(eos) ? eos : [eos]).filter((id) => typeof id === 'number')
    const longest = prompts.reduce((length, prompt) => Math.max(length, prompt.length), 0)
    const capacity = longest + (options.maxNewTokens ?? 256)
    const decoder = this.decoder(prompts.length, capacity)
    const assistant =
      assistantModel && createAssistant(assistantModel.decoder(1, capacity), numAssistantTokens)
    try {
      return await generateTokens(decoder, prompts, {
        ...options,
        stopTokenIds,
        drafter: assistant ?? options.drafter,
      })
    } finally {
      decoder.free()
      assistant?.free()
    }
  }

  /** A key-value cache for `slots` sequences of at most `capacity` tokens each. */
  decoder(slots: number, capacity: number): Decoder {
    return createCachedDecoder(this.#state, slots, capacity)
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
    await this.#adding
    const dtype = options.dtype ?? (this.dtype === 'bfloat16' ? 'bfloat16' : 'float32')
    await saveModel(this.#state, folder, {
      dtype,
      generationConfig: this.generationConfig,
      place: this.nameOrPath,
    })
  }

  /** Milliseconds spent in each op since the last call. */
  profile(): Map<string, number> {
    return this.#state.engine.profile()
  }
}
