import { z } from 'zod'
import { readForeign, type ForeignKeys, type JsonObject } from '../../formats/foreign/index.ts'

const direction = z.enum(['Left', 'Right'])
const count = z.int().min(0)

const padding = z.object({
  strategy: z.union([z.literal('BatchLongest'), z.object({ Fixed: count })]),
  direction,
  pad_to_multiple_of: count.nullish(),
  pad_id: count,
  pad_type_id: count,
  pad_token: z.string(),
})
const truncation = z.object({
  direction: direction.optional(),
  max_length: count,
  strategy: z.enum(['LongestFirst', 'OnlyFirst', 'OnlySecond']),
  stride: count,
})
const keys = {
  obeyed: z.object({ padding: padding.nullish(), truncation: truncation.nullish() }),
  harmless: [],
  within: {
    padding: { obeyed: padding, harmless: [] },
    truncation: { obeyed: truncation, harmless: [] },
  },
} satisfies ForeignKeys

/**
 * The padding and truncation that a tokenizer.json was saved with. Calls say themselves how to pad and cut; of these only what
 * transformers takes as defaults is obeyed: the pad token and the sides.
 *
 * @throws FettleError for sections that the Rust library refuses
 */
export function readSections(json: JsonObject, place: string) {
  return readForeign(keys, { padding: json.padding, truncation: json.truncation }, place)
}
