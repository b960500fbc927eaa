/** How long timers may have to wait while commands run. */
const patienceMs = 20

/**
 * Lets the event loop have its turn when more than 20 ms have passed since it last had one; a timer at 0 ms would
 * cost a millisecond and more each time.
 *
 * @returns a function to be called between commands
 */
export function givingWay(): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < patienceMs) return
    await nextTurn()
    last = performance.now()
  }
}

/** Resolves after the events that wait already; browsers have no setImmediate. */
function nextTurn(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve))
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    const receiver: { onmessage?: () => void } = port1 as object
    receiver.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}
