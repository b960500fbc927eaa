import type { TrainEvent } from '../events.ts'
import { createSender } from './sender.ts'
import type { Tracker, TrackedRun } from './tracker.ts'

/** Posts events as JSON, `{ run_id, events: […] }`, with three more tries where nobody answers. */
export function createWebhook({ runId }: TrackedRun, url: string): Tracker {
  const sender = createSender<TrainEvent>(async (events) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ run_id: runId, events }),
      signal: AbortSignal.timeout(10_000),
    })
    await response.body?.cancel()
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`)
  })
  return { name: 'webhook', record: sender.add, close: sender.close }
}
