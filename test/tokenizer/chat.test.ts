import { describe, expect, it, test } from 'vitest'
import type { EncodedChat } from '../../src/tokenizer/index.ts'
import { libraries, readGolden } from './golden.ts'

describe.each(libraries)('%s', async (_library, load) => {
  const qwen = await load('bytebpe-qwen')
  const llama = await load('spbpe-llama2')

  describe.each([
    ['bytebpe-qwen', qwen],
    ['spbpe-llama2', llama],
  ] as const)('%s against transformers', (name, tokenizer) => {
    const { chat } = readGolden(name)
    if (chat === undefined) throw new Error(name)

    test('text and prompt', async () => {
      expect(tokenizer.applyChatTemplate(chat.messages)).toBe(chat.text)
      const prompt = tokenizer.applyChatTemplate(chat.messages.slice(0, -1), { addGenerationPrompt: true })
      expect(prompt).toBe(chat.prompt_text)
      expect((await tokenizer.encode(prompt, { addSpecialTokens: false })).inputIds).toEqual(chat.prompt_ids)
    })

    test('tokens and mask', async () => {
      const encoding = await tokenizer.encodeChat(chat.messages)
      expect(encoding.text).toBe(chat.text)
      expect(encoding.inputIds).toEqual(chat.ids)
      expect(encoding.mask).toEqual(chat.assistant_masks)
      expect(encoding.spans.map(({ message, status }) => [message, status])).toEqual([
        [1, 'marked'],
        [3, 'marked'],
      ])
    })
  })

  /** The learned parts as the tokens read. */
  const learned = ({ inputIds, mask, spans }: EncodedChat) =>
    spans.map(({ start, end }) =>
      qwen.decode(inputIds.slice(start, end).filter((_, i) => mask[start + i] === 1)),
    )

  const user = (content: string) => ({ role: 'user', content })
  const assistant = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more })

  describe('spans in tokens', () => {
    it.each([
      ['emoji before and inside', [user('😀😀'), assistant('👍🏽 yes')], ['👍🏽 yes<|im_end|>']],
      [
        'combining characters',
        [user('e\u0301'), assistant('o\u0308 e\u0301'), user('a\u030a'), assistant('x')],
        ['ö é<|im_end|>', 'x<|im_end|>'],
      ],
      [
        'one message left out',
        [user('a'), assistant('b', { train: false }), user('c'), assistant('d')],
        ['d<|im_end|>'],
      ],
      ['empty answer', [user('a'), assistant('')], ['<|im_end|>']],
      ['a stop token in the question', [user('<|im_end|>'), assistant('b')], ['b<|im_end|>']],
    ])('%s', async (_, messages, expected) => {
      const encoding = await qwen.encodeChat(messages)
      expect(learned(encoding)).toEqual(expected)
      expect(encoding.mask.reduce((sum, bit) => sum + bit, 0)).toBe(
        encoding.spans.reduce((sum, { start, end }) => sum + end - start, 0),
      )
      expect(encoding.straddles).toEqual([])
    })

    test('many at once are the same as one by one', async () => {
      const chats = Array.from({ length: 600 }, (_, i) => ({
        messages: [user(`😀 question ${i}`), assistant('answer '.repeat(i % 7))],
      }))
      const together = await qwen.encodeChats(chats)
      expect(together.length).toBe(600)
      for (const i of [0, 255, 256, 599]) {
        const { inputIds, mask, ...rest } = together[i]
        const alone = await qwen.encodeChat(chats[i].messages)
        expect({ ...rest, inputIds: [...inputIds], mask: [...mask] }).toEqual(alone)
      }
      expect(await qwen.encodeChats([])).toEqual([])
    })

    test('a token on both sides of a border is learned and reported', async () => {
      const text = 'The answer is forty-two.'
      const { inputIds } = await qwen.encode(text)
      expect(qwen.convertIdsToTokens(inputIds).slice(0, 6)).toEqual(['The', 'Ġan', 's', 'w', 'er', 'Ġis'])
      const [encoding] = await qwen.encodeTextsWithSpans([
        { text, spans: [{ message: 0, start: 5, end: 12, status: 'proved' }] },
      ])
      expect(encoding.spans).toEqual([{ message: 0, start: 1, end: 6, status: 'proved' }])
      expect(encoding.straddles).toEqual([
        { message: 0, token: 1, border: 'start' },
        { message: 0, token: 5, border: 'end' },
      ])
    })

    test('holes stay unlearned, and added tokens at the end belong to a span that reaches it', async () => {
      const ranges = [
        { start: 0, end: 2 },
        { start: 4, end: 6 },
      ]
      const [encoding] = await llama.encodeTextsWithSpans([
        { text: '你好你好你好', spans: [{ message: 0, start: 0, end: 6, status: 'proved', ranges }] },
      ])
      // <s>, then three bytes a character behind the ▁ that the tokenizer puts first.
      expect([...encoding.mask]).toEqual([0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
      expect(encoding.spans).toEqual([{ message: 0, start: 1, end: 20, status: 'proved' }])
    })
  })

  describe('what is refused', () => {
    test('a template that raises names the conversation', async () => {
      const chats = [{ messages: [{ role: 'system', content: 'x' }], place: 'train.jsonl:41' }]
      await expect(llama.encodeChats(chats)).rejects.toThrow(
        /^train\.jsonl:41: chat template:\d+:\d+: Only user and assistant roles are supported!/,
      )
    })

    test('a doubtful span stops, unless it is accepted', async () => {
      const tokenizer = await load('bytebpe-qwen')
      tokenizer.chatTemplate = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}'
      const chats = [{ messages: [user('a'), assistant('b')], place: 'train.jsonl:1' }]
      await expect(tokenizer.encodeChats(chats)).rejects.toThrow('train.jsonl:1: message 1: no stop token')
      const [encoding] = await tokenizer.encodeChats(chats, { policy: { accept: ['no-stop'] } })
      expect(encoding.spans[0].status).toBe('no-stop')
    })
  })
})
