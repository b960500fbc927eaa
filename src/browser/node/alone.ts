// Stands in for fettle's own modules that a page has no use of, in bundles for pages: the native engine, threads of Node that encode
// rows, what is kept between runs of a program, and the lock against other programs. Each is put in place of a file or a room by
// scripts/for-pages.mjs.
import type { EngineEntry } from '../../engine/engine.ts'

/** engine/native/ */
export const nativeEngine: EngineEntry = {
  problem: () => Promise.resolve('a page runs no programs of the machine'),
  create: () => {
    throw new Error('a page runs no programs of the machine')
  },
}

/** data/workers/encoding-pool.ts: no thread is ever ready, so who reads the rows encodes them. */
export function createEncodingPool() {
  return {
    expect() {},
    isReady: false,
    hasRoom: false,
    encode: () => Promise.reject(new Error('no thread is ready')),
    started: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}

/** data/cache/cache-folder.ts: what was prepared is not kept twice in the page's memory. */
export const cacheFolder = (): undefined => undefined
/** data/cache/cache-entry.ts */
export function cacheEntry(): never {
  throw new Error('a page keeps no prepared data')
}

/** train/runs/lock.ts: nobody else sees the page's memory. */
export const lockFolder = () => Promise.resolve({ release: () => Promise.resolve() })

/** train/runs/room.ts: the page's memory has no disk that could be full. */
export const checkpointBytes = () => 0
export const requireRoom = () => Promise.resolve()

/** formats/files/odd-name.ts: files of the page's memory may have any name. */
export const refuseOddName = () => {}

/** formats/files/free-space.ts: nor does that say what it has left. */
export const roomBefore = () => undefined
export const leftAt = () => ''
export const refuseFull = () => {}
