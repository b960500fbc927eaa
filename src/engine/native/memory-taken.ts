let listener = (): void | Promise<void> => {}

/**
 * Has a function called whenever an engine is about to take memory: when it is made, and when programs need more than before. A
 * program waits for what it returns.
 */
export function beforeMemoryIsTaken(called: () => void | Promise<void>): void {
  listener = called
}

/** Calls it. */
export async function memoryIsTaken(): Promise<void> {
  await listener()
}
