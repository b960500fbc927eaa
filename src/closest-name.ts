/** A name without separators and case: `learning_rate`, `learningRate` and `--learning-rate` are one. */
export function plainName(name: string): string {
  return name.replaceAll(/[-_]/g, '').toLowerCase()
}

/**
 * The known name that a mistyped one most likely meant, if any is close: at most a third of its letters differ.
 * Case and the separators `-` and `_` do not count.
 */
export function closestName(name: string, known: Iterable<string>): string | undefined {
  const wanted = plainName(name)
  let best: string | undefined
  let bestDistance = Math.floor(wanted.length / 3) + 1
  for (const candidate of known) {
    const distance = editDistance(wanted, plainName(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count 1 each. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, beforeLast[j - 2] + 1)
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]
}
