import { describe, expect, it } from 'vitest'
import { renderWithSpans } from '../../src/chat/index.ts'
import { conversations, isFailed, loadTemplate, pinnedNow, recorded } from './fixtures.ts'

/*
 * TRL has some templates twice: as published, and with {% generation %} tags placed by hand. The mask found for the
 * published one is held against the tags, message by message, as text. Every difference is listed with its reason.
 */
const reasons: Record<string, { reason: string; explains: (ours: string, tagged: string) => boolean }> = {}

function add(names: string[], reason: string, explains: (ours: string, tagged: string) => boolean): void {
  for (const name of names) reasons[name] = { reason, explains }
}

const withoutThinking = (text: string): string => text.replace(/^<think>\n?[\s\S]*?<\/think>\n*/, '')

add(
  ['trl/qwen3', 'trl/qwen3_5_nothink', 'trl/qwen3_5_think'],
  'the training template shows thinking (if empty) in every turn; the published one only in the last ones',
  // It also strips newlines before the answer in every turn.
  (ours, tagged) => withoutThinking(ours).trim() === withoutThinking(tagged).trim(),
)
add(
  ['trl/qwen3_5_think'],
  'the tags include the opening of the thinking, which the generation prompt supplies',
  (ours, tagged) =>
    tagged.trimEnd().endsWith(ours.trimEnd()) ||
    withoutThinking(ours).trimEnd() === withoutThinking(tagged).trimEnd(),
)
add(
  ['trl/deepseekv3'],
  'the tags include the header that the generation prompt supplies, and the training template quotes arguments that are text',
  (ours, tagged) => {
    const unquoted = tagged.replace(/"(\{(?:\\.|[^"\\])*\})"/, (_, inside: string) =>
      inside.replaceAll('\\"', '"'),
    )
    return unquoted.endsWith(ours)
  },
)
add(['trl/gptoss'], 'the tags include the header that the generation prompt supplies', (ours, tagged) =>
  tagged.trimEnd().endsWith(ours.trimEnd()),
)
add(
  ['trl/qwen2_5'],
  'the tags begin with the newline that the generation prompt supplies',
  (ours, tagged) => tagged.trim() === ours.trim(),
)

const pairs = Object.keys(recorded).filter((name) => `${name}_training` in recorded)

describe.each(pairs)('%s', (name) => {
  it.each(Object.keys(conversations))('agrees with the hand-placed tags on %s', (conversation) => {
    const own = recorded[name]
    const training = recorded[`${name}_training`]
    const render = own?.renders[conversation]
    const trained = training?.renders[conversation]
    if (!own || !training || !render || !trained || isFailed(render) || isFailed(trained)) return
    const { messages, tools } = conversations[conversation] ?? { messages: [] }
    const parts = (template: string, eosToken: string, bosToken: string): Map<number, string> => {
      const { rendered, spans } = renderWithSpans(
        loadTemplate(template),
        { messages, tools, now: pinnedNow },
        { bosToken, eosToken },
      )
      return new Map(spans.map(({ message, start, end }) => [message, rendered.text.slice(start, end)]))
    }
    const ours = parts(name, own.eos_token, own.bos_token)
    const tagged = parts(`${name}_training`, training.eos_token, training.bos_token)
    for (const [message, text] of ours) {
      const tag = tagged.get(message)
      // The newline behind the stop token is nobody's to learn; some tags have it.
      if (tag === undefined || tag.trimEnd() === text.trimEnd()) continue
      const known = reasons[name]
      const difference = { message, ours: text, tagged: tag, reason: known?.reason ?? 'unknown' }
      expect({ ...difference, explained: known?.explains(text, tag) }).toEqual({
        ...difference,
        explained: true,
      })
    }
  })
})
