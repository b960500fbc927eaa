/** Tokenising holds the event loop no longer than this, but for a single text. */
const longestTurnMs = 20

/**
 * Does work item by item and lets others have their turn now and then.
 *
 * @returns what `work` gave for each
 */
export async function mapInTurns<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => R,
): Promise<R[]> {
  const results: R[] = []
  let begun = Date.now()
  for (const [i, item] of items.entries()) {
    results.push(work(item, i))
    if (i % 16 !== 15 || Date.now() - begun < longestTurnMs) continue
    await new Promise((resolve) => setTimeout(resolve))
    begun = Date.now()
  }
  return results
}
