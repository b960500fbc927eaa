/** A number of the normal distribution, after Box and Muller. */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** So many numbers, drawn one after the other: millions for an adapter, for which `Float32Array.from` takes ten times as long. */
export function drawn(size: number, draw: () => number): Float32Array {
  const values = new Float32Array(size)
  for (let i = 0; i < size; i += 1) values[i] = draw()
  return values
}
