import { messageOf } from '../../error.ts'
import type { ThreadReply, ThreadSetup, ThreadTask } from './host.ts'
import { importsOf, runThread } from './host.ts'

/** A worker of Node or of a page. */
export interface Thread {
  post(message: ThreadSetup | ThreadTask): void
  /** Whoever listens is told the replies. */
  listen(heard: (reply: ThreadReply) => void): void
  /** Whether the process has to wait for it. */
  keepProcess(keep: boolean): void
  end(): void
}

type NodeThreads = typeof import('node:worker_threads')

function nodeThreads(): NodeThreads | undefined {
  return globalThis.process?.getBuiltinModule?.('node:worker_threads')
}

/** Why there can be no threads over one memory; undefined where there can. */
export function threadsProblem(): string | undefined {
  if (typeof SharedArrayBuffer === 'undefined' || globalThis.crossOriginIsolated === false)
    return 'this page is not cross-origin isolated (for that its server sends Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, and the browser keeps to them)'
  if (nodeThreads() === undefined && typeof Worker === 'undefined') return 'this host has no workers'
  return undefined
}

/** Starts a worker; it runs the functions of host.ts, which it gets as text, so that there is no further file to find. */
export function startThread(): Thread {
  const program = `(${runThread.toString()})((${importsOf.toString()}),`
  let heard: (reply: ThreadReply) => void = () => {}
  const listen: Thread['listen'] = (listener) => (heard = listener)
  const node = nodeThreads()
  if (node) {
    const port = "require('node:worker_threads').parentPort"
    const worker = new node.Worker(
      `${program} (heard) => ${port}.on('message', heard), (reply) => ${port}.postMessage(reply))`,
      { eval: true },
    )
    worker.on('message', (reply: ThreadReply) => heard(reply))
    worker.on('error', (error) => heard({ failure: messageOf(error) }))
    worker.unref()
    return {
      post: (message) => worker.postMessage(message),
      listen,
      keepProcess: (keep) => (keep ? worker.ref() : worker.unref()),
      end: () => void worker.terminate(),
    }
  }
  const text = `${program} (heard) => (self.onmessage = ({ data }) => heard(data)), (reply) => self.postMessage(reply))`
  const address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
  const worker = new Worker(address)
  worker.onmessage = ({ data }) => heard(data as ThreadReply)
  worker.onerror = ({ message }) => heard({ failure: message })
  return {
    post: (message) => worker.postMessage(message),
    listen,
    keepProcess() {},
    end() {
      worker.terminate()
      URL.revokeObjectURL(address)
    },
  }
}
