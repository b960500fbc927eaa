import type { EncodedExample } from '../examples/encode-conversations.ts'
import type { Conversation } from '../conversations/conversation.ts'
import { statusNames } from '../examples/span-statuses.ts'

/** Examples as a few arrays, whose memory goes from thread to thread without a copy; their texts stay behind. */
export interface FlatExamples {
  /** [example] which conversation it is of */
  items: Int32Array
  /** [example] tokens */
  lengths: Int32Array
  /** Of all examples, end to end. */
  ids: Int32Array
  mask: Uint8Array
  /** [example] spans */
  spanCounts: Int32Array
  /** message, start, end, status: four numbers a span */
  spans: Int32Array
  /** Of the few examples that have any. */
  straddles: { example: number; straddles: EncodedExample['straddles'] }[]
}

/** @param conversations  that the examples are of */
export function flatten(
  examples: readonly EncodedExample[],
  conversations: readonly Conversation[],
): FlatExamples {
  const indexOf = new Map(conversations.map(({ origin }, i) => [origin, i]))
  const tokens = examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
  const spanTotal = examples.reduce((sum, { spans }) => sum + spans.length, 0)
  const flat: FlatExamples = {
    items: new Int32Array(examples.length),
    lengths: new Int32Array(examples.length),
    ids: new Int32Array(tokens),
    mask: new Uint8Array(tokens),
    spanCounts: new Int32Array(examples.length),
    spans: new Int32Array(4 * spanTotal),
    straddles: [],
  }
  let token = 0
  let number = 0
  for (const [example, { inputIds, mask, spans, straddles, origin }] of examples.entries()) {
    flat.items[example] = indexOf.get(origin) ?? 0
    flat.lengths[example] = inputIds.length
    flat.ids.set(inputIds, token)
    flat.mask.set(mask, token)
    token += inputIds.length
    flat.spanCounts[example] = spans.length
    for (const { message, start, end, status } of spans)
      for (const value of [message, start, end, statusNames.indexOf(status)]) flat.spans[number++] = value
    if (straddles.length > 0) flat.straddles.push({ example, straddles })
  }
  return flat
}

/** The memory of flat examples, which may be handed over. */
export function buffersOf({ items, lengths, ids, mask, spanCounts, spans }: FlatExamples): ArrayBuffer[] {
  return [items, lengths, ids, mask, spanCounts, spans].map(({ buffer }) => buffer as ArrayBuffer)
}

/** @param conversations  the same ones as for `flatten` */
export function unflatten(flat: FlatExamples, conversations: readonly Conversation[]): EncodedExample[] {
  const straddles = new Map(flat.straddles.map((entry) => [entry.example, entry.straddles]))
  let token = 0
  let number = 0
  return Array.from(flat.lengths, (length, example) => {
    const from = token
    token += length
    const spans = Array.from({ length: flat.spanCounts[example] }, () => {
      const [message, start, end, status] = flat.spans.subarray(number, number + 4)
      number += 4
      return { message, start, end, status: statusNames[status] }
    })
    return {
      inputIds: flat.ids.subarray(from, token),
      mask: flat.mask.subarray(from, token),
      spans,
      straddles: straddles.get(example) ?? [],
      origin: conversations[flat.items[example]].origin,
    }
  })
}
