import { FettleError } from '../../error.ts'
import type { Decoder, FedTokens } from '../../generate/index.ts'
import { createTape, rowsOf } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { vocabularyOf } from '../blocks/architecture.ts'
import type { CacheShape } from '../blocks/cache-shape.ts'
import { decode, headLogits } from '../blocks/decode.ts'
import { keepEverything } from '../blocks/forward-pass.ts'
import { refuseScores } from '../score-head.ts'
import type { ModelState } from '../state/model-state.ts'
import { passTensors } from '../state/pass-tensors.ts'
import { ensurePositions } from '../state/rotations.ts'
import { decodingHead, packForDecoding } from '../weights/decoding-weights.ts'
import type { Queue } from '../queue.ts'
import { followLength } from './follow-length.ts'
import { createHistory } from './slot-history.ts'
import { createProgramCache } from './program-cache.ts'
import { createSlotCopies } from './slot-copies.ts'

/** Passes of up to so many tokens, of up to twice as many and so on are one program each. */
const sharedCounts = 16

/** Of a row whose logits are no numbers. */
const noCandidates = { ids: new Int32Array(0), scores: new Float32Array(0) }

type StepInputs = { ids: Tensor; positions: Tensor; slots: Tensor; rows: Tensor }

/** Passes of so many tokens wait for memory, not for arithmetic: integers would make them no faster. */
const fewTokens = 16

/** The same as `createCachedDecoder` makes, but for what other rooms call: it is made, and feeds, when the model's calls before are done. */
export function decoderInTurn(
  queue: Queue,
  state: ModelState,
  slotCount: number,
  capacity: number,
  rewinds?: number,
): Decoder {
  let made: Decoder | undefined
  const decoder = () => (made ??= createCachedDecoder(state, slotCount, capacity, rewinds))
  return {
    vocabSize: vocabularyOf(state.architecture),
    capacity,
    rewinds: rewindsOf(state, rewinds),
    resumable: (slot, count) => made?.resumable(slot, count) ?? 0,
    feed: (...given) => queue.run(() => decoder().feed(...given)),
    feedLargest: (...given) => queue.run(() => decoder().feedLargest(...given)),
    feedGreedy: (...given) => queue.run(() => decoder().feedGreedy(...given)),
    continueGreedily: (...given) => queue.run(() => decoder().continueGreedily(...given)),
    copySlots: (...given) => queue.run(() => decoder().copySlots(...given)),
    free: () => made?.free(),
  }
}

/** How many of a slot's newest tokens may be fed again: states have room for `rewinds`. */
function rewindsOf({ architecture }: ModelState, rewinds = 1): number {
  return architecture.layers.flat().some(({ cache }) => cache?.states) ? rewinds : Infinity
}

/**
 * A cache for `slotCount` sequences of up to `capacity` tokens, and the passes that read and extend it.
 * Shapes: what a block remembers of each position (keys, values) is [slots, capacity, width] in the compute type, states are
 * [slots, positions + rewinds, width].
 *
 * @param rewinds  how many of a slot's newest tokens may be fed again, differently, where there are states
 */
export function createCachedDecoder(
  state: ModelState,
  slotCount: number,
  capacity: number,
  rewinds = 1,
): Decoder {
  refuseScores(state, 'generate')
  const { engine, architecture, activation } = state
  packForDecoding(state)
  ensurePositions(state, capacity, 0)
  const vocabSize = vocabularyOf(architecture)
  const caches = new Map<CacheShape, readonly Tensor[]>()
  const beginnings: Tensor[] = []
  const wholes: Tensor[] = []
  for (const { cache } of architecture.layers.flat()) {
    if (!cache || caches.has(cache)) continue
    const { widths, states = [] } = cache
    const remembered = widths.map((width) => engine.tensor(activation, [slotCount, capacity, width]))
    const newest = states.map(({ positions, width, isFloat32 = false }) =>
      engine.tensor(isFloat32 ? 'float32' : activation, [slotCount, positions + rewinds, width]),
    )
    beginnings.push(...remembered)
    wholes.push(...newest)
    caches.set(cache, [...remembered, ...newest])
  }
  const hasStates = wholes.length > 0
  const history = createHistory(slotCount, rewindsOf(state, rewinds))
  const passes = createProgramCache<StepInputs, { logits: Tensor; best: Tensor }>(state)
  const copies = createSlotCopies(engine, slotCount, { beginnings, wholes })

  const decoder: Decoder = {
    vocabSize,
    capacity,
    rewinds: rewindsOf(state, rewinds),
    resumable: history.resumable,
    async feed(tokens, rows) {
      const { logits } = await run(tokens, rows)
      const values = (await engine.read(logits)) as Float32Array
      return values.subarray(0, rows.length * vocabSize)
    },
    async feedLargest(tokens, rows, count) {
      const { logits, best } = await run(tokens, rows)
      const chosen = (await engine.read(best)) as Int32Array
      const largest = (await engine.readLargest(logits, count)).slice(0, rows.length)
      return largest.map(({ ids, values: scores }, i) => (chosen[i] < 0 ? noCandidates : { ids, scores }))
    },
    async feedGreedy(tokens, rows) {
      const { best } = await run(tokens, rows)
      return ((await engine.read(best)) as Int32Array).subarray(0, rows.length)
    },
    async continueGreedily(tokens, times, onTokens) {
      const count = tokens.ids.length
      const pass = passes.get(`${count} again and again`, () => compile(count, count))
      fill(pass.inputs, tokens, Int32Array.from(tokens.ids.keys()))
      const { ids: input, positions: counted } = pass.inputs
      const feedback = { output: pass.outputs.best, input, counted }
      if (!hasStates) return engine.repeat(pass.program, { times, ...feedback }, onTokens)
      // One pass at a time: an engine that is ahead would feed tokens that nobody asked for to states that cannot go back.
      let goesOn = true
      for (let run = 0; run < times && goesOn; run += 1) {
        history.feed({ ...tokens, positions: tokens.positions.map((position) => position + run) })
        await engine.repeat(pass.program, { times: 1, ...feedback }, (best) => (goesOn = onTokens(best)))
      }
    },
    async copySlots(given) {
      history.copy(given)
      await copies.run(given)
    },
    free() {
      passes.clear()
      copies.free()
      for (const tensor of [...caches.values()].flat()) engine.free(tensor)
    },
  }
  return followLength(decoder, state, slotCount)

  /** One pass over some tokens. */
  async function run(tokens: FedTokens, rows: Int32Array) {
    const count = tokens.ids.length
    history.feed(tokens)
    // Where every token asks for its row, one program serves any count up to its own: sequences end, guesses vary in number.
    const takesAnyCount = rows.length === count
    const compiled = takesAnyCount ? Math.ceil(count / sharedCounts) * sharedCounts : count
    const pass = passes.get(`${compiled} ${takesAnyCount ? 'at most' : rows.length}`, () =>
      compile(compiled, takesAnyCount ? compiled : rows.length),
    )
    fill(pass.inputs, tokens, rows)
    await engine.run(pass.program, { tokens: count })
    return pass.outputs
  }

  function fill(inputs: StepInputs, { ids, slots, positions }: FedTokens, rows: Int32Array): void {
    const unknown = ids.find((id) => id < 0 || id >= vocabSize)
    if (unknown !== undefined)
      throw new FettleError({
        place: 'prompt',
        found: `token id ${unknown}`,
        expected: `an id below ${vocabSize}, the rows of the model's embedding`,
        cure: 'The tokenizer and the model do not belong together, or the embeddings were not resized.',
      })
    engine.write(inputs.ids, ids)
    engine.write(inputs.slots, slots)
    engine.write(inputs.positions, positions)
    engine.write(inputs.rows, rows)
  }

  function compile(count: number, wanted: number) {
    const tape = createTape()
    const tokens = rowsOf('tokens', count)
    const inputs = {
      ids: engine.tensor('int32', [tokens]),
      positions: engine.tensor('int32', [tokens]),
      slots: engine.tensor('int32', [tokens]),
      rows: engine.tensor('int32', [wanted < count ? wanted : tokens]),
    }
    const { ids, positions, slots, rows } = inputs
    const pass = {
      tape,
      tensors: passTensors(state),
      tokens: { ids, positions, context: { slots, caches }, ...(wanted < count && { rows }) },
      options: {
        activation,
        dropoutSeed: null,
        int8Activations: state.activationQuantization === 'int8' && count > fewTokens,
        recomputation: keepEverything,
      },
    }
    const hidden = architecture.norm.record(pass, decode(pass, architecture))
    const logits = headLogits(
      tape,
      hidden,
      decodingHead(state),
      state.architecture.logits,
      pass.tensors.headLora,
    )
    const { y: best } = tape.apply('argmax', { x: logits }, {}, { y: { dtype: 'int32', shape: [wanted] } })
    if (!best) throw new Error('argmax was recorded without its output')
    return { program: engine.compile(tape.commands(), [logits, best]), inputs, outputs: { logits, best } }
  }
}
