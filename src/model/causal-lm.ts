import { join } from 'node:path'
import { checkObject, checkOptions, checkPath } from '../check-argument.ts'
import { bytesPerElement } from '../engine/index.ts'
import type { ActivationQuantization, DType, Quantization } from '../engine/index.ts'
import type { Problem } from '../error.ts'
import type { Decoder, Sequence, StreamPiece, TextOptions, TextPiece } from '../generate/index.ts'
import type { LoraConfig } from '../peft/index.ts'
import { formatGenerationConfig, parseGenerationConfig } from '../tokenizer/index.ts'
import type { GenerationConfig } from '../tokenizer/index.ts'
import type { AddAdapterOptions } from './adapters/adapter-calls.ts'
import { addNamed, checkName, chooseAdapters, loadNamed, saveNamed } from './adapters/adapter-calls.ts'
import type { SaveAdapterOptions } from './adapters/save-adapter.ts'
import { adapterNames } from './adapters/several/adapter-names.ts'
import type { WeightedOptions } from './adapters/several/weighted-adapter.ts'
import { deleteAdapter, runWithAdapter, turnOff, turnOn } from './adapters/several/several-adapters.ts'
import { runWithoutAdapter } from './adapters/several/without-adapter.ts'
import type { AssistantModel } from './assistant-model.ts'
import { parametersOf, vocabularyOf } from './blocks/architecture.ts'
import { forwardLogits, lossGradients } from './forward.ts'
import type { ForwardOutputs, NumberArray } from './forward.ts'
import { generateWith, streamWith } from './generation.ts'
import type { GenerateInputs, GenerateOutput, ModelGenerateOptions, StreamOptions } from './generation.ts'
import { keepInternals } from './internals.ts'
import type { LoadOptions } from './load-options.ts'
import { openFresh, openPretrained } from './open-state.ts'
import type { OpenedModel } from './open-state.ts'
import { createCachedDecoder, decoderInTurn } from './passes/cached-decoder.ts'
import { flattenBatch } from './passes/flatten.ts'
import type { ForwardInputs } from './passes/flatten.ts'
import type { Passes } from './passes/passes.ts'
import { createPasses } from './passes/passes.ts'
import { activationBytesPerToken } from './passes/recompute.ts'
import { trainingState } from './passes/training-state.ts'
import { createQueue, runInAll } from './queue.ts'
import type { Queue } from './queue.ts'
import { addScoreHead } from './score-head.ts'
import type { ResizeOptions } from './resize.ts'
import { quantizationOf } from './state/frozen-weights.ts'
import type { ModelState } from './state/model-state.ts'
import { trainAllParameters } from './state/train-state.ts'
import { countParameters } from './weights/parameters.ts'
import { checkOwnFolder } from './weights/own-folder.ts'
import { storedType } from './weights/saved-type.ts'
import type { SavedType } from './weights/saved-type.ts'

/** A causal language model on an engine. */
export class AutoModelForCausalLM {
  readonly #state: ModelState
  readonly #passes: Passes
  /** Each call waits for those before it, also when its caller did not. */
  readonly #queue: Queue
  /** config.json as it was read, or as the GGUF metadata say. */
  readonly config: Record<string, unknown>
  /** generation_config.json; saved with the model. It says how is generated where no option says otherwise. */
  generationConfig: GenerationConfig
  /** The path it was loaded from. */
  readonly nameOrPath: string

  /** What its files hold that is not read or not obeyed, for whoever shows it: nothing of it ends loading. */
  notices: readonly Problem[]

  private constructor({ state, notices, generationConfig = null }: OpenedModel, path: string) {
    this.#state = state
    this.#passes = createPasses(state)
    const queue = createQueue(path)
    this.#queue = queue
    const { balance } = state.architecture
    keepInternals(this, {
      state,
      inTurn: (task) => queue.run(task),
      passes: this.#passes,
      withoutAdapter: (body) => runWithoutAdapter(state, () => body(this.#passes)),
      withAdapter: (name, body) => runWithAdapter(state, name, () => body(this.#passes)),
      addScoreHead: (seed) => queue.run(() => addScoreHead(state, seed)),
      makeTrainable: () => queue.run(() => trainAllParameters(state)),
      training: () =>
        queue.run(async () => {
          await trainAllParameters(state)
          return trainingState(state)
        }),
      flatten: (inputs) =>
        flattenBatch(inputs, vocabularyOf(state.architecture), state.architecture.maxPositions),
      balanceCoefficient: balance?.isAdded ? balance.coefficient : 0,
      activationBytesPerToken: () =>
        activationBytesPerToken(state.architecture, bytesPerElement[state.activation]),
    })
    this.config = state.config.raw
    this.nameOrPath = path
    const { bosTokenId, eosTokenIds } = state.config
    this.generationConfig = parseGenerationConfig(
      generationConfig ?? {
        ...(bosTokenId !== null && { bos_token_id: bosTokenId }),
        ...(eosTokenIds.length > 0 && {
          eos_token_id: eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds,
        }),
      },
      join(path, 'generation_config.json'),
    )
    this.notices = [...notices, ...(this.generationConfig.unread ?? [])]
  }

  /**
   * Loads a Hugging Face folder or a GGUF file.
   *
   * @throws FettleError for what cannot be read, with place and cure
   */
  static async fromPretrained(path: string, options: LoadOptions = {}): Promise<AutoModelForCausalLM> {
    checkPath('fromPretrained: path', path)
    checkOptions('fromPretrained: options', options)
    return new AutoModelForCausalLM(await openPretrained(path, options), path)
  }

  /** A model with fresh random weights, from the fields of a config.json. */
  static async fromConfig(
    raw: Record<string, unknown>,
    options: LoadOptions & { seed?: number } = {},
  ): Promise<AutoModelForCausalLM> {
    return new AutoModelForCausalLM(await openFresh(raw, options), 'random weights')
  }

  /** What computes: engine, instruction set and threads. */
  get engine(): { name: string; isa: string; threads: number } {
    const { name, isa, threads } = this.#state.engine
    return { name, isa, threads }
  }

  get dtype(): DType {
    return this.#state.activation
  }

  /** What its files have the weights in, or most of them; a GGUF file in fewer bits counts as bfloat16. */
  get storedDtype(): SavedType {
    return storedType(this.#state)
  }

  /** How the linear layers of the decoder are held, but for those that an adapter was merged into; null: all in `dtype`. */
  get quantization(): Quantization | null {
    return quantizationOf(this.#state)
  }

  /** Whether the scales of 4 bits were rounded, too, when it was loaded. */
  get doubleQuantization(): boolean {
    return this.#state.store.isDoublyQuantized === true
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
    return countParameters(parametersOf(this.#state.architecture))
  }

  /** Number of trainable parameters; 0 before an adapter is added or everything is trained. */
  get trainableCount(): number {
    return this.#state.trainable?.size ?? 0
  }

  /** Names of its adapters. */
  get adapterNames(): string[] {
    return adapterNames(this.#state)
  }

  /** Names of those in use: one, several after `setAdapter([…])`, or none; also while they are disabled. */
  get activeAdapters(): readonly string[] {
    return this.#state.activeAdapters
  }

  /** The configuration of the adapter in use, if there is one. */
  get adapterConfig(): LoraConfig | null {
    return this.#state.adapter?.config ?? null
  }

  /**
   * Logits [batch, time, vocab] (zeros at padding) and, with labels, the mean loss over the unmasked shifted labels.
   */
  forward(inputs: ForwardInputs): Promise<ForwardOutputs> {
    return this.#queue.run(() => forwardLogits(this.#state, this.#passes, inputs))
  }

  /**
   * Gradients of the mean loss, by name: of the adapter, or without one of every parameter.
   */
  gradients(inputs: ForwardInputs): Promise<Map<string, NumberArray>> {
    return this.#queue.run(() => lossGradients(this.#state, this.#passes, inputs))
  }

  /**
   * Scores of texts by a reward model, one for each row: what its head says of the last token that is no padding, as Transformers'
   * classes for sequence classification take it. Rows may differ in length.
   */
  score(inputs: GenerateInputs): Promise<number[]> {
    return this.#queue.run(async () =>
      (await import('./scores.ts')).scoresOf(this.#state, this.#passes, inputs),
    )
  }

  /** New tokens for each prompt; with `returnDictInGenerate`, why each ended, too. */
  generate(
    inputs: GenerateInputs,
    options: ModelGenerateOptions & { returnDictInGenerate: true },
  ): Promise<GenerateOutput>
  generate(
    inputs: GenerateInputs,
    options?: ModelGenerateOptions & { returnDictInGenerate?: false },
  ): Promise<number[][]>
  async generate(
    inputs: GenerateInputs,
    given: ModelGenerateOptions & { returnDictInGenerate?: boolean } = {},
  ): Promise<number[][] | GenerateOutput> {
    checkOptions('generate: options', given)
    const { returnDictInGenerate = false, ...options } = given
    const generated = await this.#generate(inputs, options)
    const sequences = generated.map(({ tokenIds }) => tokenIds)
    if (!returnDictInGenerate) return sequences
    return { sequences, finishReasons: generated.map(({ finishReason }) => finishReason) }
  }

  /**
   * `generate` as a stream: tokens as they come and, with `tokenizer`, their text. The last piece of each row says why it
   * ended. Leaving the loop ends the generation.
   */
  stream(inputs: GenerateInputs, options: StreamOptions & TextOptions): AsyncGenerator<TextPiece>
  stream(inputs: GenerateInputs, options?: StreamOptions): AsyncGenerator<StreamPiece>
  stream(
    inputs: GenerateInputs,
    options: StreamOptions & Partial<TextOptions> = {},
  ): AsyncGenerator<StreamPiece> {
    checkOptions('stream: options', options)
    const stopStrings = options.stopStrings ?? this.generationConfig.stopStrings
    const settings = { ...options, ...(stopStrings !== undefined && { stopStrings }) }
    return streamWith((hooked) => this.#generate(inputs, hooked), settings)
  }

  async #generate(inputs: GenerateInputs, options: ModelGenerateOptions): Promise<Sequence[]> {
    const { assistantModel } = options
    if (!(assistantModel instanceof AutoModelForCausalLM))
      return this.#queue.run(() => generateWith(this.#inTurn(), inputs, options))
    return runInAll([this.#queue, assistantModel.#queue], () =>
      generateWith(this.#inTurn(), inputs, { ...options, assistantModel: assistantModel.#inTurn() }),
    )
  }

  /** What generates, for a call that has its turn: caches that do not wait for one. */
  #inTurn(): AssistantModel & { generationConfig: GenerationConfig } {
    const { vocabSize, maxPositions, generationConfig } = this
    const decoder = (slots: number, capacity: number, rewinds?: number) =>
      createCachedDecoder(this.#state, slots, capacity, rewinds)
    return { vocabSize, maxPositions, generationConfig, decoder }
  }

  /** A key-value cache for `slots` sequences of at most `capacity` tokens each. */
  decoder(slots: number, capacity: number, rewinds?: number): Decoder {
    return decoderInTurn(this.#queue, this.#state, slots, capacity, rewinds)
  }

  /**
   * Puts a fresh LoRA adapter on the model; its base weights are frozen from now on. The first one is in use at once, a further one after
   * `setAdapter`, as in PEFT.
   *
   * @param options  its name, the seed of its random numbers, or both
   */
  async addAdapter(
    config: Partial<LoraConfig>,
    options: AddAdapterOptions | string | number = {},
  ): Promise<void> {
    checkObject('addAdapter: config', config)
    const given = addNamed(options)
    return this.#queue.run(() => given(this.#state, { baseModelNameOrPath: this.nameOrPath, ...config }))
  }

  /**
   * Loads an adapter that PEFT or fettle saved; it stays trainable. Where it was made for more tokens than the model has, the model
   * gets them. `notices` says what of its configuration is not obeyed. A further adapter needs a name of its own.
   */
  async loadAdapter(folder: string, options: { name?: string } = {}): Promise<void> {
    checkPath('loadAdapter: folder', folder)
    checkOptions('loadAdapter: options', options)
    return this.#queue.run(async () => {
      this.notices = [...this.notices, ...(await loadNamed(this.#state, folder, options))]
    })
  }

  /** Uses another of its adapters, or the sum of several, in generation, passes and training from now on. */
  async setAdapter(names: string | readonly string[]): Promise<void> {
    return this.#queue.run(() => chooseAdapters(this.#state, names))
  }

  /** Leaves the adapter out, until `enableAdapter`: the model computes as its base does. */
  disableAdapter(): Promise<void> {
    return this.#queue.run(() => turnOff(this.#state))
  }

  /** Uses the adapter again that `disableAdapter` left out. */
  enableAdapter(): Promise<void> {
    return this.#queue.run(() => turnOn(this.#state))
  }

  /** Runs something while the adapter is disabled, also for whoever else calls the model meanwhile. */
  async withAdapterDisabled<T>(body: () => Promise<T> | T): Promise<T> {
    if (this.#state.isAdapterOff) return body()
    await this.disableAdapter()
    try {
      return await body()
    } finally {
      await this.enableAdapter()
    }
  }

  /** Gives back an adapter. Where it was in use, the oldest of the others is then. */
  async deleteAdapter(name: string): Promise<void> {
    checkName('deleteAdapter: name', name)
    return this.#queue.run(() => deleteAdapter(this.#state, name))
  }

  /** Makes an adapter of some that the model has, weighted, as PEFT's add_weighted_adapter does; it waits for `setAdapter`. */
  async addWeightedAdapter(
    names: readonly string[],
    weights: readonly number[],
    options: WeightedOptions,
  ): Promise<void> {
    checkOptions('addWeightedAdapter: options', options)
    return this.#queue.run(async () =>
      (await import('./adapters/several/weighted-adapter.ts')).addWeighted(
        this.#state,
        names,
        weights,
        options,
      ),
    )
  }

  /** Writes adapter_config.json and adapter_model.safetensors of the adapter in use, or of the one that `name` is. */
  async saveAdapter(folder: string, options: SaveAdapterOptions & { name?: string } = {}): Promise<void> {
    checkPath('saveAdapter: folder', folder)
    checkOptions('saveAdapter: options', options)
    return this.#queue.run(() => {
      checkOwnFolder(folder, this.nameOrPath)
      return saveNamed(this.#state, folder, options)
    })
  }

  /** Adds the adapter in use to the weights; the model has no adapters then. */
  mergeAdapter(): Promise<void> {
    return this.#queue.run(async () =>
      (await import('./adapters/merge-adapter.ts')).mergeAdapter(this.#state),
    )
  }

  /** New rows of the embeddings (and the head) get the mean of the old ones. */
  async resizeTokenEmbeddings(size: number, options: ResizeOptions = {}): Promise<void> {
    checkOptions('resizeTokenEmbeddings: options', options)
    return this.#queue.run(async () =>
      (await import('./resize.ts')).resizeEmbeddings(this.#state, size, options),
    )
  }

  /**
   * Writes config.json, generation_config.json and model.safetensors. `stored`: each weight in the type that the model's files have
   * it in. Without `dtype` they are in the type that the model was asked to compute in, else as with `stored`.
   * An adapter is left out: merge it first.
   */
  async save(folder: string, options: { dtype?: SavedType | 'stored' } = {}): Promise<void> {
    checkPath('save: folder', folder)
    checkOptions('save: options', options)
    return this.#queue.run(async () =>
      (await import('./weights/save-model.ts')).saveModel(this.#state, folder, {
        ...options,
        generationConfig: formatGenerationConfig(this.generationConfig),
        place: this.nameOrPath,
      }),
    )
  }

  /** Gives back the model's memory and threads when all calls before are done; calls that come later fail. */
  free(): Promise<void> {
    return this.#queue.close(() => this.#state.engine.close())
  }

  /** `free()` at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.free()
  }

  /** Milliseconds spent in each op since the last call. */
  profile(): Map<string, number> {
    return this.#state.engine.profile()
  }
}
