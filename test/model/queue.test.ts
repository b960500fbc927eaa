import { afterAll, describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { createQueue, runInAll } from '../../src/model/queue.ts'
import { fixture } from './golden.ts'

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)

const soon = () => new Promise((resolve) => setTimeout(resolve, 1))

describe('a queue', () => {
  it('runs one task at a time, in their order, also behind one that fails', async () => {
    const queue = createQueue('model')
    const log: string[] = []
    const task = (name: string) => async () => {
      log.push(`${name} begins`)
      await soon()
      log.push(`${name} ends`)
      if (name === 'b') throw new Error('b fails')
      return name
    }
    const tasks = ['a', 'b', 'c'].map((name) => queue.run(task(name)))
    const settled = await Promise.allSettled(tasks)
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  })

  it('refuses tasks after its last one, which runs once', async () => {
    const queue = createQueue('tiny')
    const log: string[] = []
    const before = queue.run(() => log.push('before'))
    const last = [queue.close(() => void log.push('last')), queue.close(() => void log.push('again'))]
    await expect(queue.run(() => log.push('after'))).rejects.toThrow('tiny: a model that was freed')
    await Promise.all([before, ...last])
    expect(log).toEqual(['before', 'last'])
  })

  it('never waits for another one that waits for it', async () => {
    const [a, b] = [createQueue('a'), createQueue('b')]
    const tasks = [
      [a, b],
      [b, a],
      [a, a],
    ].map((queues, i) => runInAll(queues, async () => (await soon(), i)))
    expect(await Promise.all(tasks)).toEqual([0, 1, 2])
  })
})

describe.each(engines)('%s engine: one model, called again before it has answered,', (engine) => {
  const load = () => AutoModelForCausalLM.fromPretrained(fixture('llama'), { dtype: 'float32', engine })
  const inputs = [[5, 17, 42, 9], [77, 5, 17], [3]].map((ids) => ({ inputIds: [ids], labels: [ids] }))
  const settings = { maxNewTokens: 8, stopTokenIds: [] }
  const models: AutoModelForCausalLM[] = []
  afterAll(() => Promise.all(models.map((model) => model.free())))

  it('answers as if it were asked one thing after the other', async () => {
    const model = await load()
    models.push(model)
    const [one, two] = inputs
    const calls = [
      () => model.generate(one, settings),
      () => model.forward(one),
      () => model.gradients(two),
      () => model.generate(two, { ...settings, doSample: true, seed: 3 }),
      () => model.gradients(one),
      () => model.forward(two),
      () => model.generate(one, { ...settings, assistantModel: model, numAssistantTokens: 2 }),
    ]
    const expected: unknown[] = []
    for (const call of calls) expected.push(await call())
    expect(await Promise.all(calls.map((call) => call()))).toEqual(expected)
    expect(await Promise.all(calls.toReversed().map((call) => call()))).toEqual(expected.toReversed())
  })

  it('waits with what comes after an adapter, and with training, too', async () => {
    const model = await load()
    models.push(model)
    const before = await model.forward(inputs[0])
    const added = model.addAdapter({ r: 2, initLoraWeights: false })
    const [after, training] = await Promise.all([
      model.forward(inputs[0]),
      internalsOf(model).training(),
      added,
    ])
    expect(after).not.toEqual(before)
    const { flatten, inTurn, passes } = internalsOf(model)
    const batch = flatten(inputs[0])
    const [logProbs, again, norm] = await Promise.all([
      inTurn(() => passes.train(batch, new Float32Array(3).fill(1))),
      model.forward(inputs[0]),
      inTurn(() => training.gradientNorm(1)),
    ])
    expect(logProbs.length).toBe(3)
    expect(again).toEqual(after)
    expect(norm).toBeGreaterThan(0)
  })

  it('gives everything back when it is freed, after the calls before', async () => {
    const model = await load()
    const decoder = model.decoder(1, 8)
    const tokens = { ids: Int32Array.of(1), slots: Int32Array.of(0), positions: Int32Array.of(0) }
    await decoder.feedGreedy(tokens, Int32Array.of(0))
    const expected = await model.forward(inputs[0])
    const [answer] = await Promise.all([model.forward(inputs[0]), model.free(), model.free()])
    expect(answer).toEqual(expected)
    const tooLate = /llama: a model that was freed; expected one that is in memory/
    await expect(model.forward(inputs[0])).rejects.toThrow(tooLate)
    await expect(model.generate(inputs[0], settings)).rejects.toThrow(tooLate)
    await expect(model.save('/nowhere')).rejects.toThrow(tooLate)
    await expect(decoder.feedGreedy(tokens, Int32Array.of(0))).rejects.toThrow(tooLate)
    await expect(internalsOf(model).training()).rejects.toThrow(tooLate)
    decoder.free()
    expect(model.dtype).toBe('float32')
  })

  it('is freed at the end of `await using`', async () => {
    const model = await load()
    await model[Symbol.asyncDispose]()
    await expect(model.forward(inputs[0])).rejects.toThrow(/freed/)
  })
})
