/** Means over the micro-batches that tell a number, as TRL logs them. */
export interface Means {
  add(told: Readonly<Record<string, number | undefined>>): void
  result(): Record<string, number>
}

/** Collects numbers of micro-batches by name; one that is undefined is not counted. */
export function createMeans(): Means {
  const sums = new Map<string, { sum: number; count: number }>()
  return {
    add(told) {
      for (const [name, value] of Object.entries(told)) {
        if (value === undefined) continue
        const { sum, count } = sums.get(name) ?? { sum: 0, count: 0 }
        sums.set(name, { sum: sum + value, count: count + 1 })
      }
    },
    result: () => Object.fromEntries([...sums].map(([name, { sum, count }]) => [name, sum / count])),
  }
}

/** Mean of some numbers; undefined of none. */
export function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}
