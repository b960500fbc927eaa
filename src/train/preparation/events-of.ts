/**
 * Events of a work while it is under way, and what it gives.
 *
 * @param work  is handed a function that tells an event
 */
export async function* eventsOf<E, T>(
  work: (tell: (event: E) => void) => Promise<T>,
): AsyncGenerator<E, T, undefined> {
  const told: E[] = []
  let wake = (): void => {}
  let isDone = false
  const result = work((event) => {
    told.push(event)
    wake()
  }).finally(() => {
    isDone = true
    wake()
  })
  // Its error is thrown below, when it is awaited.
  result.catch(() => {})
  for (;;) {
    yield* told.splice(0)
    if (isDone && told.length === 0) return result
    await new Promise<void>((resolve) => {
      wake = resolve
      if (isDone || told.length > 0) resolve()
    })
  }
}
