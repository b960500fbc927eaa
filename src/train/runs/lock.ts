import { randomUUID, createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { hostname } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FettleError } from '../../error.ts'
import { explainUnwritable } from '../../formats/index.ts'

/**
 * A lock on a folder that dies with its process, whatever ends that. Who wants it listens on a Unix socket `.lock-<kernel>-<id>` in
 * the folder and then asks every other such socket there: one that nobody listens on is of a process that is gone (the system closes
 * sockets, and no number of a process is compared), one that answers `held` or nothing holds the lock, and of two that both ask the
 * one with the smaller name goes first. Names are never used twice, so that removing a dead one cannot hit a living one.
 *
 * On Windows a named pipe answers instead, which the system closes, too, and an empty file in the folder says that it does.
 *
 * A socket answers within its kernel only. A lock of another one, where machines share the folder, counts as alive for 90 seconds
 * after it was last touched, which its process does every 15. The same holds where a file system has no sockets.
 */
export interface FolderLock {
  release(): Promise<void>
}

/** What a lock says of itself. */
interface Holder {
  state: 'asking' | 'held'
  pid: number
  host: string
  since: string
}

/** Of a lock: nobody is there, somebody who does not answer, or who hung up because it gives way. */
type Answer = Holder | 'dead' | 'silent' | 'leaving'

const prefix = '.lock-'
const touchMs = 15_000
const deadMs = 90_000
/** Who is alive and busy may take a moment to answer. */
const answerMs = 1000
/** Who gives way needs a moment, too. */
const waitMs = 5000
const isWindows = process.platform === 'win32'
/** Bytes of a path that every system takes for a socket; a longer one is cut in silence. */
const longestSocketPath = 100

/**
 * Locks a folder that exists.
 *
 * @throws FettleError that names who holds it
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const name = `${prefix}${kernel()}-${randomUUID()}`
  const me: Holder = { state: 'asking', pid: process.pid, host: hostname(), since: new Date().toISOString() }
  const close = await announce(folder, name, me)
  try {
    const begun = Date.now()
    while (await mustWait(folder, name)) {
      if (Date.now() - begun > waitMs) throw heldBy(folder, undefined)
      await delay(20)
    }
  } catch (error) {
    await close()
    throw error
  }
  me.state = 'held'
  const touch = setInterval(() => {
    const now = new Date()
    utimes(join(folder, name), now, now).catch(() => {})
  }, touchMs).unref()
  return {
    async release() {
      clearInterval(touch)
      await close()
    },
  }
}

/** Whether a file in a folder is one of a lock. */
function isLockName(name: string): boolean {
  return name.startsWith(prefix)
}

/**
 * Looks at every other lock of the folder, and removes those of the dead.
 *
 * @returns whether somebody else asks, too, and gives way or takes it
 */
async function mustWait(folder: string, name: string): Promise<boolean> {
  let wait = false
  for (const other of (await readdir(folder)).filter((file) => isLockName(file) && file !== name)) {
    const holder = await ask(folder, other)
    if (holder === 'dead') await rm(join(folder, other), { force: true })
    else if (holder === 'leaving') wait = true
    else if (holder !== 'silent' && holder.state === 'asking' && name < other) wait = true
    else
      throw heldBy(
        folder,
        holder === 'silent' ? undefined : holder,
        isOfThisKernel(other) ? undefined : other,
      )
  }
  return wait
}

/**
 * @param foreign  the lock, where it is of a machine that cannot be asked: its time may be wrong, and the machine gone
 */
function heldBy(folder: string, holder: Holder | undefined, foreign?: string): FettleError {
  const who = holder && `: process ${holder.pid} on ${holder.host}, since ${holder.since}`
  const gone = foreign === undefined ? '' : ` If the other machine is gone, remove ${join(folder, foreign)}.`
  return new FettleError({
    place: folder,
    found: `a run that is under way here${who ?? ''}`,
    expected: 'a folder that no other process trains in',
    cure: `Wait for it to end, or choose another output_dir.${gone}`,
  })
}

/** Shows others that somebody is here; returns what takes it away. */
async function announce(folder: string, name: string, me: Holder): Promise<() => Promise<void>> {
  const path = join(folder, name)
  const server = await listen(folder, name, me)
  if (server === undefined || isWindows)
    await writeFile(path, server === undefined ? JSON.stringify({ ...me, state: 'held' }) : '', {
      flag: 'wx',
    }).catch((error: unknown) => {
      throw explainUnwritable(folder, error)
    })
  return async () => {
    server?.close()
    await rm(path, { force: true })
  }
}

/** Listens first and shows the socket then, so that no one finds it deaf; undefined where the file system has no sockets. */
async function listen(folder: string, name: string, me: Holder): Promise<Server | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(JSON.stringify(me))
    socket.unref()
  })
  server.unref()
  // A pipe is seen by nobody who does not know its name.
  const unseen = isWindows ? name : `.${name}`
  const listening = await withSocketPath(
    folder,
    unseen,
    (path) =>
      new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false))
        server.listen(path, () => resolve(true))
      }),
    false,
  )
  if (!listening) return undefined
  if (!isWindows) await rename(join(folder, unseen), join(folder, name))
  return server
}

/** What it means that a socket cannot be talked with. */
const failures = new Map<string, Answer>([
  ['ECONNREFUSED', 'dead'],
  ['ENOENT', 'dead'],
  ['ECONNRESET', 'leaving'],
  ['EPIPE', 'leaving'],
])

async function ask(folder: string, name: string): Promise<Answer> {
  const path = join(folder, name)
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return 'dead'
  const isAnswered = found.isSocket() || (isWindows && found.size === 0)
  if (!isOfThisKernel(name) || !isAnswered) {
    if (Date.now() - found.mtimeMs > deadMs) return 'dead'
    return parseHolder(found.isSocket() ? '' : await readFile(path, 'utf8').catch(() => ''))
  }
  return withSocketPath<Answer>(
    folder,
    name,
    (short) =>
      new Promise((resolve) => {
        let text = ''
        const socket = connect(short)
        socket.setTimeout(answerMs, () => {
          resolve('silent')
          socket.destroy()
        })
        socket.on('data', (piece) => (text += String(piece)))
        socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(failures.get(code ?? '') ?? 'silent'))
        socket.on('close', () => resolve(text === '' ? 'leaving' : parseHolder(text)))
      }),
    'silent',
  )
}

/** Whether the process of a lock can be asked. */
function isOfThisKernel(name: string): boolean {
  return name.startsWith(`${prefix}${kernel()}-`)
}

function parseHolder(text: string): Holder | 'silent' {
  try {
    const { state, pid, host, since } = JSON.parse(text) as Partial<Holder>
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof since !== 'string') return 'silent'
    return { state: state === 'asking' ? state : 'held', pid, host, since }
  } catch {
    return 'silent'
  }
}

/** Calls with a path that a socket can have: as it is, from here, or by way of an open folder; on Windows the name of a pipe. */
async function withSocketPath<T>(
  folder: string,
  name: string,
  body: (path: string) => Promise<T>,
  otherwise: T,
): Promise<T> {
  if (isWindows) return body(`\\\\.\\pipe\\fettle-${name}`)
  const path = join(folder, name)
  const short = [path, relative(process.cwd(), path)].find(
    (candidate) => Buffer.byteLength(candidate) <= longestSocketPath,
  )
  if (short !== undefined) return body(short)
  if (process.platform !== 'linux') return otherwise
  const descriptor = openSync(folder, 'r')
  try {
    return await body(`/proc/self/fd/${descriptor}/${name}`)
  } finally {
    closeSync(descriptor)
  }
}

let ownKernel: string | undefined

/** What tells kernels apart, within which sockets answer: containers of a machine share one. */
function kernel(): string {
  if (ownKernel === undefined) {
    let id = hostname()
    try {
      id = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
    } catch {
      // Elsewhere than on Linux the machine's name has to do.
    }
    ownKernel = createHash('sha256').update(id).digest('hex').slice(0, 8)
  }
  return ownKernel
}
