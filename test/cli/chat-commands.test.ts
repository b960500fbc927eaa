import { describe, expect, test } from 'vitest'
import { chatCommands, complete, readCommand } from '../../src/cli/chat/chat-commands.ts'
import { stopProbabilities } from '../../src/cli/chat/stop-probabilities.ts'
import { AutoModelForCausalLM } from '../../src/index.ts'

describe('a line is a command', () => {
  const commands: [line: string, name: string | undefined][] = [
    ['/help', '/help'],
    ['/? ', '/help'],
    ['/quit', '/exit'],
    ['/set temperature 0.7', '/set'],
    ['/system You are brief.', '/system'],
    ['/adapter off', '/adapter'],
    [' /help', undefined],
    ['/usr/bin is a folder', undefined],
    ['/rest assured', undefined],
    ['Say /help', undefined],
  ]
  test.each(commands)('%j: %s', (line, name) => expect(readCommand(line)?.name).toBe(name))

  const refused: [line: string, says: string][] = [
    ['/hlep', 'Did you mean /help?'],
    ['/adaptor off', 'Did you mean /adapter?'],
    ['/nothing', `no such command; expected ${Object.keys(chatCommands).join(', ')}`],
    ['/reset now', "'now' behind it; expected nothing"],
  ]
  test.each(refused)('%j is refused: %s', (line, says) => expect(() => readCommand(line)).toThrow(says))
})

const settings: [text: string, says: string][] = [
  ['temprature 1', 'no such setting; expected max_new_tokens, .* Did you mean temperature?'],
  ['temperature', 'no value; expected one, as in /set temperature 1'],
  ['temperature warm', "--temperature: 'warm'; expected a number"],
  ['top_p 2', 'topP: 2; expected'],
]
test.each(settings)('/set %s is refused: %s', async (text, says) => {
  await using model = await AutoModelForCausalLM.fromPretrained('assets/tiny-llama', { engine: 'reference' })
  const chat = { loaded: { model }, settings: { sampling: {}, stop: [] } } as never
  await expect(readCommand(`/set ${text}`)?.run(chat)).rejects.toThrow(
    new RegExp(says.replaceAll('?', '\\?')),
  )
})

test.each([
  ['/s', ['/system', '/set', '/stop'], '/s'],
  ['/set temp', ['temperature'], 'temp'],
  ['/adapter o', ['on', 'off'], 'o'],
  ['Hello /s', [], 'Hello /s'],
])('the Tab key makes of %j: %j', (line, words, begun) => expect(complete(line)).toEqual([words, begun]))

test('P(stop) is what softmax makes of the logits, also where the cache holds a beginning', async () => {
  await using model = await AutoModelForCausalLM.fromPretrained('assets/tiny-llama', {
    dtype: 'float32',
    engine: 'reference',
  })
  const tokens = Array.from({ length: 40 }, (_, i) => (7 * i + 3) % 200)
  const { logits } = await model.forward({ inputIds: [tokens] })
  const stopTokenIds = [2, 5]
  const expected = tokens.map((_, t) => {
    const row = logits.data.subarray(t * model.vocabSize, (t + 1) * model.vocabSize)
    const all = row.reduce((sum, logit) => sum + Math.exp(logit), 0)
    return stopTokenIds.reduce((sum, id) => sum + Math.exp(row[id]), 0) / all
  })
  const decoder = model.decoder(1, 64)
  const read = (held: number, from: number) =>
    stopProbabilities(decoder, tokens, { held, from, stopTokenIds })
  const all = await read(0, 0)
  const late = await read(10, 25)
  decoder.free()
  expect(all).toHaveLength(40)
  all.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 6))
  late.forEach((value, i) => expect(value).toBeCloseTo(expected[25 + i], 6))
  expect(late).toHaveLength(15)
})
