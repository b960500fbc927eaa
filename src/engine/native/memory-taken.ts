let listener = (): void => {}

/** Has a function called whenever an engine is about to take memory: when it is made, and when programs need more than before. */
export function beforeMemoryIsTaken(called: () => void): void {
  listener = called
}

/** Calls it. */
export function memoryIsTaken(): void {
  listener()
}
