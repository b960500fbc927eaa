import { describe, expect, it } from 'vitest'
import { chatFormats, findStopTokens, parseChatTemplate, renderWithSpans } from '../../src/chat/index.ts'
import type { Message } from '../../src/chat/index.ts'

const messages: Message[] = [
  { role: 'user', content: 'q1' },
  { role: 'assistant', content: 'r1' },
  { role: 'user', content: 'q2' },
  { role: 'assistant', content: 'r2' },
]

describe.each(Object.entries(chatFormats))(
  '%s',
  (_, { template: source, bosToken, eosToken, specialTokens }) => {
    const template = parseChatTemplate(source)
    const settings = { bosToken, eosToken, specialTokens }

    it('marks what serving would write, up to its stop token', () => {
      const { rendered, spans } = renderWithSpans(template, { messages }, settings)
      expect(spans.map(({ status }) => status)).toEqual(['marked', 'marked'])
      expect(spans.map(({ stopToken }) => stopToken)).toEqual([eosToken, eosToken])
      expect(spans.map(({ start, end }) => rendered.text.slice(start, end).trim())).toEqual([
        `r1${eosToken}`,
        `r2${eosToken}`,
      ])
      for (const { message, start } of spans) {
        const before = { messages: messages.slice(0, message), addGenerationPrompt: true, bosToken, eosToken }
        expect(template.render(before).text).toBe(rendered.text.slice(0, start))
      }
    })

    it('shows a system message and stops with its own token', () => {
      const { text } = template.render({
        messages: [{ role: 'system', content: 'SYS' }, ...messages],
        bosToken,
        eosToken,
      })
      expect(text).toContain('SYS')
      expect(findStopTokens(template, settings)).toEqual([eosToken])
    })
  },
)
