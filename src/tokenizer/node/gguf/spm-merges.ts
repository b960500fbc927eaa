/**
 * Sentencepiece's BPE has scores where the Hugging Face library wants merges in order. Every way to make a
 * token from two others is a merge; those whose result scores higher come first. Among equal ones the order
 * is that of transformers' converter, longer parts first.
 *
 * @param tokens  by id
 * @param scores  by id, higher is earlier
 * @param skip    tokens that are never built, such as control tokens
 */
export function mergesFromScores(
  tokens: readonly string[],
  scores: readonly number[],
  skip: ReadonlySet<string>,
): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const found: { left: string; right: string; score: number }[] = []
  for (const [id, token] of tokens.entries()) {
    if (skip.has(token)) continue
    const characters = Array.from(token)
    const ways: { left: string; right: string; order: [number, number] }[] = []
    let left = ''
    for (const character of characters.slice(0, -1)) {
      left += character
      const right = token.slice(left.length)
      const leftId = ids.get(left)
      const rightId = ids.get(right)
      if (leftId !== undefined && rightId !== undefined && !skip.has(left) && !skip.has(right))
        ways.push({ left, right, order: [leftId, rightId] })
    }
    ways.sort((a, b) => a.order[0] - b.order[0] || a.order[1] - b.order[1])
    for (const way of ways) found.push({ left: way.left, right: way.right, score: scores[id] ?? 0 })
  }
  found.sort((a, b) => b.score - a.score || b.left.length - a.left.length || b.right.length - a.right.length)
  return found.map(({ left, right }) => [left, right])
}
