import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { splitPerTurn, type Message } from '../../src/chat/index.ts'
import { AutoTokenizer, type TurnEncoding } from '../../src/tokenizer/index.ts'

const folder = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'tokenizers', name)

const chatml =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
/** Thinking is shown in the last answer only; what came before is written anew each turn. */
const forgetful =
  "{% for message in messages %}{{ '<s>' + message.role + '\\n' }}{% if message.role == 'assistant' and not loop.last %}{{ message.content.split('</think>')[-1] }}{% else %}{{ message.content }}{% endif %}{{ '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ '<s>assistant\\n' }}{% endif %}"
/** No special tokens at all. */
const plain =
  "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
/** How many messages there are stands at the beginning. */
const counting = `{{ messages | length }}${chatml}`

const said = [
  'Hello',
  'a <|im_end|> in a text',
  ' spaces  ',
  'é 😀 Straße',
  '<|im_start|>',
  "don't\n\n",
  'x</s>y',
]
const messages = said.flatMap((content, i): Message[] => [
  { role: 'user', content },
  { role: 'assistant', content: `<think>${i}</think>${content}!` },
])

describe.each(['bytebpe-qwen', 'bytebpe-gpt2', 'spbpe-llama2'])('%s', (name) => {
  test.each(Object.entries({ chatml, forgetful, plain, counting }))(
    'turns of one conversation have the tokens that each has by itself: %s',
    async (_, template) => {
      const tokenizer = await AutoTokenizer.fromPretrained(folder(name))
      tokenizer.chatTemplate = template
      const policy = { accept: ['inferred', 'no-stop'] as const }
      const turns: TurnEncoding[] = []
      for await (const turn of tokenizer.encodeTurns({ messages }, { policy })) turns.push(turn)
      const alone = await tokenizer.encodeChats(
        splitPerTurn(messages).map((turn) => ({ messages: turn.messages })),
        { policy },
      )
      expect(turns.map(({ messages: _messages, sharedTokens: _shared, ...turn }) => turn)).toEqual(alone)
      turns.forEach(({ inputIds, sharedTokens, mask }, i) => {
        expect([...inputIds.subarray(0, sharedTokens)]).toEqual([
          ...(turns[i - 1]?.inputIds ?? inputIds).subarray(0, sharedTokens),
        ])
        expect(mask.subarray(0, sharedTokens).includes(1)).toBe(false)
      })
      const prompts = tokenizer.chatPrompts(messages)
      messages.forEach((_message, count) =>
        expect(prompts(count)).toBe(
          tokenizer.applyChatTemplate(messages.slice(0, count), { addGenerationPrompt: true }),
        ),
      )
    },
  )
})
