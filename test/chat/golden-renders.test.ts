import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { conversations, isFailed, loadTemplate, recorded, toCodePoints, pinnedNow } from './fixtures.ts'

describe.each(Object.keys(recorded))('%s', (name) => {
  const {
    bos_token: bosToken,
    eos_token: eosToken,
    renders,
  } = recorded[name] ?? { bos_token: '', eos_token: '', renders: {} }
  const template = loadTemplate(name)

  it.each(Object.keys(renders))('renders %s as Python does', (conversation) => {
    const expected = renders[conversation] ?? { text: '' }
    const { messages, tools } = conversations[conversation] ?? { messages: [] }
    const options = { messages, tools, bosToken, eosToken, now: pinnedNow }
    if (isFailed(expected)) {
      expect(() => template.render(options)).toThrow(/^chat template:\d+:\d+: /)
      return
    }
    const rendered = template.render(options)
    expect(rendered.text).toBe(expected.text)
    expect(rendered.segments.at(-1)?.end ?? 0).toBe(rendered.text.length)
    if (expected.generation_spans) {
      const spans = rendered.generationSpans.map(({ start, end }) =>
        [start, end].map((offset) => toCodePoints(rendered.text, offset)),
      )
      expect(spans).toEqual(expected.generation_spans)
    }
    for (const [turn, prompt] of Object.entries(expected.prompts ?? {})) {
      const before = { ...options, messages: messages.slice(0, Number(turn)), addGenerationPrompt: true }
      if (typeof prompt === 'string') expect(template.render(before).text).toBe(prompt)
      else expect(() => template.render(before)).toThrow(/^chat template:\d+:\d+: /)
    }
  })
})

it('reads the fixtures', () => {
  expect(readFileSync(new URL('../fixtures/chat-templates/README.md', import.meta.url), 'utf8')).toContain(
    'jinja2',
  )
  expect(Object.keys(recorded)).toHaveLength(86)
})
