const grouped = new Intl.NumberFormat('en-US')

/** How many of something there are, in words for people: `1 row`, `1,200 rows`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${grouped.format(count)} ${count === 1 ? one : many}`
}
