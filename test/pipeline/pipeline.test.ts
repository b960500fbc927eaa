import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AutoModelForCausalLM, pipeline, TextStreamer, type Message, type Streamer } from '../../src/index.ts'

const tiny = join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama')
const generator = await pipeline('text-generation', tiny)
const { model, tokenizer } = generator

const text = 'In the middle of winter'
const messages = [{ role: 'user', content: 'What do lighthouse keepers do?' }]
const maxNewTokens = 8

/** What the model itself says, without the pipeline. */
async function reference(prompt: string): Promise<string> {
  const { inputIds } = await tokenizer.encode(prompt, { addSpecialTokens: !prompt.includes('<|im_start|>') })
  const [answer] = await model.generate({ inputIds: [inputIds] }, { maxNewTokens })
  return tokenizer.decode(answer, { skipSpecialTokens: true })
}
const continuation = await reference(text)
const reply = await reference(tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true }))

describe('stop strings', () => {
  test('end the text, not the tokens that a streamer hears', async () => {
    const stop = continuation.slice(3, 7)
    expect(await generator(text, { max_new_tokens: maxNewTokens, stop_strings: [stop] })).toEqual([
      { generated_text: text + continuation.slice(0, continuation.indexOf(stop)), finish_reason: 'stop' },
    ])
  })
})

describe('what goes in comes out longer', () => {
  test('a text with its continuation', async () => {
    expect(await generator(text, { max_new_tokens: maxNewTokens })).toEqual([
      { generated_text: text + continuation, finish_reason: 'length' },
    ])
  })

  test('the continuation alone', async () => {
    const [{ generated_text }] = await generator(text, { maxNewTokens, return_full_text: false })
    expect(generated_text).toBe(continuation)
  })

  test('messages with the assistant’s', async () => {
    const [{ generated_text }] = await generator(messages, { max_new_tokens: maxNewTokens, do_sample: false })
    expect(generated_text).toEqual([...messages, { role: 'assistant', content: reply }])
    expect(generated_text.at(-1)?.content).toBe(reply)
  })

  test('several texts, each in a list of its own', async () => {
    const outputs = await generator([text, 'Rosa came to'], { maxNewTokens })
    expect(outputs.map((output) => output.length)).toEqual([1, 1])
    expect(outputs[0][0].generated_text).toBe(text + continuation)
    expect(outputs[1][0].generated_text).toMatch(/^Rosa came to./)
  })

  test('several chats, in batches of one', async () => {
    const outputs = await generator([messages, messages], { maxNewTokens, batch_size: 1 })
    expect(outputs.map(([{ generated_text }]) => generated_text.at(-1)?.content)).toEqual([reply, reply])
  })

  test('nothing where nothing is asked', async () => {
    expect(await generator([])).toEqual([])
  })
})

describe('a streamer', () => {
  test('hears the text in pieces, with the prompt', async () => {
    const pieces: string[] = []
    const tokens: (readonly number[])[] = []
    const streamer = new TextStreamer(tokenizer, {
      callback_function: (piece) => pieces.push(piece),
      token_callback_function: (ids) => tokens.push(ids),
    })
    await generator(text, { maxNewTokens, streamer })
    expect(pieces.join('')).toBe(text + continuation)
    expect(pieces.length).toBeGreaterThan(3)
    expect(tokens.map(({ length }) => length).slice(1)).toEqual(Array.from({ length: maxNewTokens }, () => 1))
  })

  test('hears the answer alone with skip_prompt', async () => {
    let heard = ''
    const streamer = new TextStreamer(generator.tokenizer, {
      skip_prompt: true,
      skip_special_tokens: true,
      callback_function: (piece) => (heard += piece),
    })
    await generator(messages, { max_new_tokens: maxNewTokens, streamer })
    expect(heard).toBe(reply)
  })

  test('may be any object with put and end', async () => {
    const heard: unknown[] = []
    const streamer: Streamer = { put: (rows) => heard.push(rows.length), end: () => heard.push('end') }
    await generator(text, { maxNewTokens: 2, streamer })
    expect(heard).toEqual([1, 1, 1, 'end'])
  })
})

describe('where a model is', () => {
  test('an adapter’s folder says it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-pipeline-'))
    const trained = await AutoModelForCausalLM.fromPretrained(tiny)
    await trained.addAdapter({ r: 2 })
    await trained.saveAdapter(folder)
    const adapted = await pipeline('text-generation', folder)
    expect(adapted.model.adapterConfig?.r).toBe(2)
    // B is zero: the adapter changes nothing yet.
    expect(await adapted(text, { maxNewTokens })).toEqual(await generator(text, { maxNewTokens }))
    const beside = await pipeline('text-generation', tiny, { adapter: folder })
    expect(beside.model.adapterConfig?.r).toBe(2)

    const config = join(folder, 'adapter_config.json')
    const elsewhere = readFileSync(config, 'utf8').replace(tiny, 'hub/some-model')
    writeFileSync(config, elsewhere)
    await expect(pipeline('text-generation', folder)).rejects.toThrow(
      "'hub/some-model', which is not on this machine",
    )
  })
})

describe('how tokens are drawn', () => {
  test('generation_config.json says it where no option does', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-pipeline-'))
    cpSync(tiny, folder, { recursive: true })
    const config = { eos_token_id: 2, do_sample: true, temperature: 1.5, top_k: 0 }
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(config))
    const sampling = await pipeline('text-generation', folder)
    const drawn = async (options: object) =>
      (await sampling(text, { maxNewTokens, ...options }))[0].generated_text
    expect(await drawn({ seed: 1 })).not.toBe(await drawn({ seed: 2 }))
    expect(await drawn({ seed: 1 })).toBe(await drawn({ seed: 1 }))
    expect(await drawn({ do_sample: false })).toBe(text + continuation)
  })
})

describe('is refused', () => {
  const streamer: Streamer = { put() {}, end() {} }
  test.each<[string, () => unknown, string]>([
    [
      'another task',
      () => pipeline('ner' as 'text-generation', tiny),
      'the task "ner"; expected text-generation',
    ],
    [
      'a name on the hub',
      () => pipeline('text-generation', 'org/model'),
      '(hf download org/model --local-dir org/model)',
    ],
    [
      'a type of ONNX files',
      () => pipeline('text-generation', tiny, { dtype: 'q4' as 'auto' }),
      "quantization: 'int8'",
    ],
    [
      'a device',
      () => pipeline('text-generation', tiny, { device: 'cpu' } as object),
      'Did you mean engine?',
    ],
    [
      'an option nobody reads',
      () => generator(text, { num_beams: 4 } as object),
      'generator: num_beams: an option that',
    ],
    [
      'a typing mistake',
      () => generator(text, { max_new_token: 4 } as object),
      'Did you mean max_new_tokens?',
    ],
    ['an option twice', () => generator(text, { topK: 1, top_k: 2 }), 'topK as well'],
    [
      'tools with a text',
      () => generator(text, { tools: [{}] }),
      'tools: given with a text; expected messages',
    ],
    ['a number', () => generator(7 as unknown as string), 'generator: 7; expected a text'],
    ['a streamer for two', () => generator([text, text], { streamer }), 'streamer: 2 inputs; expected one'],
    [
      'no callback',
      () => new TextStreamer(tokenizer, {} as never),
      'callback_function: (text) => stdout.write(text)',
    ],
  ])('%s', async (_, call, message) => {
    await expect((async () => call())()).rejects.toThrow(message)
  })
})

test('messages keep their type', async () => {
  const chat: Message[] = messages
  const [{ generated_text }] = await generator(chat, { maxNewTokens: 1 })
  const last: Message | undefined = generated_text.at(-1)
  expect(last?.role).toBe('assistant')
})

test('gives its memory back, and then answers no more', async () => {
  const own = await pipeline('text-generation', tiny)
  const answering = own(text, { maxNewTokens })
  await own.dispose()
  expect((await answering)[0].generated_text).toBe(text + continuation)
  await expect(own(text)).rejects.toThrow('freed')
  expect(own[Symbol.asyncDispose]).toBeTypeOf('function')
})
