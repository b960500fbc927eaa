/**
 * The same characters in memory of their own: a slice keeps the whole text alive that it was cut from, which is much for a word
 * that is remembered.
 */
export function ownCopy(slice: string): string {
  // Engines copy slices of up to twelve characters anyway; a longer one becomes a slice of itself and a space.
  return slice.length > 12 ? ` ${slice}`.slice(1) : slice
}
