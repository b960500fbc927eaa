/** Ends what was begun for a beginning of the messages: what it would change is not its own. */
export class ForkRefused extends Error {}

/** Whether what runs now will be undone; rendering is synchronous and never nests. */
let forked = false

/** Whether what runs now will be undone. */
export function isForked(): boolean {
  return forked
}

/** Does work that is undone afterwards, as far as it keeps to what can be. */
export function whileForked(work: () => void): void {
  forked = true
  try {
    work()
  } finally {
    forked = false
  }
}

/** Before a change of what others hold as well, which cannot be undone. */
export function beforeChange(): void {
  if (forked) throw new ForkRefused()
}
