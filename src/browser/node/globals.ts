// Node's globals that fettle uses, for bundles for pages: to be imported first.
import { Buffer } from './buffer.ts'

const host = globalThis as unknown as { Buffer?: unknown; process?: unknown; setImmediate?: unknown }

host.Buffer ??= Buffer
host.setImmediate ??= (called: () => void) => setTimeout(called)
host.process ??= {
  pid: 1,
  env: {},
  argv: [],
  platform: 'browser',
  arch: 'wasm32',
  versions: {},
  version: '',
  cwd: () => '/',
  on() {},
  off() {},
  once() {},
  kill() {},
  memoryUsage: Object.assign(() => ({ rss: 0, heapUsed: 0 }), { rss: () => 0 }),
  resourceUsage: () => ({ maxRSS: 0 }),
  hrtime: { bigint: () => BigInt(Math.round(performance.now() * 1e6)) },
}

// Timers are numbers in a page, and nothing waits for them.
Object.defineProperty(Number.prototype, 'unref', {
  configurable: true,
  value(this: number) {
    return Number(this)
  },
})
