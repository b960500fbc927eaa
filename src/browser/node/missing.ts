// Stands in for what no page has: sockets, other programs, other threads of Node. Whoever calls one of these is told so.
function missing(name: string): (...values: unknown[]) => never {
  return () => {
    throw new Error(`${name} is not there in a page`)
  }
}

export const connect = missing('a socket')
/** Never comes to listen: who asks for a lock's socket writes a file instead. */
export function createServer() {
  let failed: (error: Error) => void = () => {}
  const server = {
    once: (_event: string, heard: (error: Error) => void) => ((failed = heard), server),
    on: () => server,
    listen: () => (queueMicrotask(() => failed(new Error('no sockets in a page'))), server),
    unref: () => server,
    close: () => server,
  }
  return server
}
export const createInterface = missing('a terminal')
export const spawn = missing('another program')
export const createRequire = missing('require')
export const fileURLToPath = (url: string | URL): string => new URL(url).pathname
export const pathToFileURL = (path: string): URL => new URL(path, 'file:///')
export class Worker {
  constructor() {
    missing('a thread of Node')()
  }
}
export const parentPort = null
export const workerData = null
/** node:timers/promises */
export const setTimeout = (milliseconds = 0, value?: unknown): Promise<unknown> =>
  new Promise((resolve) => globalThis.setTimeout(() => resolve(value), milliseconds))
export const setImmediate = (): Promise<unknown> => setTimeout(0)
