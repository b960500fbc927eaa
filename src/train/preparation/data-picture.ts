import type { Example } from '../../data/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { StartEvent } from '../events.ts'

/** Tokens of an example that are shown, and bars of a histogram. */
const [shownTokens, mostBars] = [600, 10]

/** What a report shows of the data: how long examples are, and the first one with its mask. */
export function dataPicture(
  lengths: Iterable<number>,
  first: Pick<Example, 'inputIds' | 'mask'>,
  tokenizer: Tokenizer,
): Pick<StartEvent, 'length_histogram' | 'masked_sample'> {
  return { length_histogram: histogramOf(lengths), masked_sample: maskedParts(first, tokenizer) }
}

/** At most ten bars of equal width, with round borders. */
function histogramOf(lengths: Iterable<number>): { up_to: number; examples: number }[] {
  let longest = 1
  for (const length of lengths) longest = Math.max(longest, length)
  const rough = longest / mostBars
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)))
  const width = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? longest
  const bars = Array.from({ length: Math.ceil(longest / width) }, (_, i) => ({
    up_to: (i + 1) * width,
    examples: 0,
  }))
  for (const length of lengths) bars[Math.max(0, Math.ceil(length / width) - 1)].examples += 1
  return bars
}

function maskedParts(
  { inputIds, mask }: Pick<Example, 'inputIds' | 'mask'>,
  tokenizer: Tokenizer,
): { text: string; learned: boolean }[] {
  const parts: { text: string; learned: boolean }[] = []
  const count = Math.min(shownTokens, inputIds.length)
  for (let start = 0; start < count;) {
    let end = start + 1
    while (end < count && mask[end] === mask[start]) end += 1
    parts.push({ text: tokenizer.decode(inputIds.subarray(start, end)), learned: mask[start] === 1 })
    start = end
  }
  return parts
}
