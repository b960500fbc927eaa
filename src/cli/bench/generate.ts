import { loadavg } from 'node:os'
import type { EngineName } from '../../engine/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../model/index.ts'
import { modelShape, weightsOfToken } from './model-shape.ts'
import { AutoTokenizer } from '../../tokenizer/index.ts'
import type { GenerateCase, PromptCase } from './cases.ts'
import { readBandwidth } from './peaks.ts'
import type { OpFigures } from './train.ts'
import { median } from './train.ts'
import { promptWork, totalWork } from './work.ts'

/** What generation or reading a prompt measured; the best of three, after one that does not count. */
export interface GenerateFigures {
  kind: 'generate' | 'prompt'
  dtype: string
  isa: string
  threads: number
  streams: number
  /** The fastest repetition. */
  whole_ms: number
  /** New tokens of all streams a second, prompt included, which equal streams read once; of `prompt` the prompt's tokens. */
  tokens_per_s: number
  /** After the prompt was read: tokens of one stream, times the streams. */
  decode_tokens_per_s: number
  /** Bytes of weights that are read once for one new token of every stream. */
  weight_bytes: number
  /**
   * What decoding reached of reading the weights once a token, at the bandwidth measured right before and after the same
   * repetition (the native engine's only); the median of all. More than 1 where bfloat16 weights are read in 12 bits.
   */
  share_of_reading?: number
  /** Products of one pass over the prompt; for `prompt` only. */
  flops_per_s: number
  /** Of one pass over the prompt; for `prompt` only. */
  ops: OpFigures[]
  peak_rss_mib: number
  load: number
}

/** Scales included; int8 has one a row, too few to count. Of a quantised model the head is read in 8 bits. */
const bytesPerWeight = { bfloat16: 2, int8: 1, nf4: 0.5 + 4 / 64, fp4: 0.5 + 4 / 64 } as const

/** As in bench/peers/generate.py. */
const story = 'Write a long story about a lighthouse keeper who finds a map.'
const newTokens = 128
const repeats = 3

/** Measures greedy generation, or reading a prompt, in this process. */
export async function measureGeneration(
  wanted: GenerateCase | PromptCase,
  engine: EngineName,
  modelPath: string,
): Promise<GenerateFigures> {
  const load = loadavg()[0]
  const tokenizer = await AutoTokenizer.fromPretrained(modelPath)
  const quantization = wanted.quantization ?? null
  const model = await AutoModelForCausalLM.fromPretrained(modelPath, {
    dtype: 'bfloat16',
    quantization,
    activationQuantization: (wanted.kind === 'prompt' && wanted.activationQuantization) || null,
    engine,
  })
  const { question = story, promptLookupNumTokens = 0 }: Partial<GenerateCase> =
    wanted.kind === 'generate' ? wanted : {}
  const text = tokenizer.applyChatTemplate([{ role: 'user', content: question }], {
    addGenerationPrompt: true,
  })
  const { inputIds } = await tokenizer.encode(text, { addSpecialTokens: false })
  const isPrompt = wanted.kind === 'prompt'
  const prompt = isPrompt
    ? Array.from({ length: wanted.tokens }, (_, i) => inputIds[i % inputIds.length])
    : [...inputIds]
  // Streams differ from the first token on: what prompts share would be computed once, and Transformers shares nothing.
  const prompts = Array.from({ length: isPrompt ? 1 : wanted.streams }, (_, i) => [
    (prompt[0] + i) % model.vocabSize,
    ...prompt.slice(1),
  ])
  const maxNewTokens = isPrompt ? 1 : newTokens
  const config = modelShape(internalsOf(model).state.architecture)
  const weights = weightsOfToken(config)
  const head = config.vocabSize * config.hiddenSize
  const weightBytes =
    weights * bytesPerWeight[quantization ?? 'bfloat16'] +
    head * (quantization === null ? bytesPerWeight.bfloat16 : bytesPerWeight.int8)
  const generate = async () => {
    model.profile()
    const begun = performance.now()
    let told = 0
    let first = 0
    await model.generate(
      { inputIds: prompts },
      {
        maxNewTokens,
        stopTokenIds: [],
        promptLookupNumTokens,
        onToken: () => {
          told += 1
          if (told === prompts.length) first = performance.now()
        },
      },
    )
    const ended = performance.now()
    return { whole: (ended - begun) / 1000, decoding: (ended - first) / 1000, profile: model.profile() }
  }
  await generate()
  // Before reading is measured, which takes memory of its own.
  const peakRssMib = Math.round(process.resourceUsage().maxRSS / 1024)
  const { isa, threads } = model.engine
  const bandwidthNow = (): number[] => (engine === 'native' ? [readBandwidth(isa, threads)] : [])
  const bandwidths = bandwidthNow()
  const times: Awaited<ReturnType<typeof generate>>[] = []
  for (let i = 0; i < repeats; i += 1) {
    times.push(await generate())
    bandwidths.push(...bandwidthNow())
  }
  const shares = times.map(({ decoding }, i) => {
    const bandwidth = (bandwidths[i] + bandwidths[i + 1]) / 2
    return ((maxNewTokens - 1) * weightBytes) / decoding / bandwidth
  })
  const whole = Math.min(...times.map((time) => time.whole))
  const decoding = Math.min(...times.map((time) => time.decoding))
  const work = isPrompt ? promptWork(config, prompt.length) : new Map<string, never>()
  // Those of the fastest repetition, as the speed is.
  const profile = isPrompt ? times.find((time) => time.whole === whole)?.profile : undefined
  return {
    kind: wanted.kind,
    dtype: model.dtype,
    isa,
    threads,
    streams: prompts.length,
    whole_ms: whole * 1000,
    tokens_per_s: (isPrompt ? prompt.length : prompts.length * newTokens) / whole,
    decode_tokens_per_s: isPrompt ? 0 : (prompts.length * (newTokens - 1)) / decoding,
    weight_bytes: weightBytes,
    ...(engine === 'native' && { share_of_reading: isPrompt ? 0 : median(shares) }),
    flops_per_s: totalWork(work).flops / whole,
    ops: [...(profile ?? [])].map(([op, ms]) => ({ flops: 0, bytes: 0, ...work.get(op), op, ms })),
    peak_rss_mib: peakRssMib,
    load,
  }
}
