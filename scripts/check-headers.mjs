// Compiles each header of native/ by itself: it must include what it needs.
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { withIncluded } from './native-sources.mjs'

/** What takes a compiler long to read. */
const large = ['functional', 'immintrin.h', 'memory', 'thread', 'vector']

/**
 * Some of the large headers, read once for all of fettle's headers that include all of them: reading takes most of the time. A header
 * that does not include one never sees it. A compiler that knows no precompiled headers of this kind reads them anew.
 */
async function precompile(folder, names, compile) {
  const header = join(folder, `${names.join('-')}-${process.pid}.h`)
  const compiled = `${header}.gch`
  writeFileSync(header, names.map((name) => `#include <${name}>\n`).join(''))
  const remove = () => [header, compiled].forEach((path) => rmSync(path, { force: true }))
  try {
    await compile(['-x', 'c++-header', header, '-o', compiled])
    return { flags: ['-include', header], remove }
  } catch {
    remove()
    return { flags: [], remove }
  }
}

/**
 * Resolves to the number of headers.
 *
 * `folder` takes what lives as long as this, `hasIntrinsics` says whether there is immintrin.h, and `compile` runs the compiler with
 * arguments behind its usual ones and throws where it fails.
 */
export async function checkHeaders(root, folder, { hasIntrinsics, compile }) {
  const native = join(root, 'native')
  const headers = readdirSync(native, { recursive: true }).filter((name) => name.endsWith('.h'))
  const known = large.filter((name) => hasIntrinsics || name !== 'immintrin.h')
  /** Those of the large headers that a header includes itself or by way of others. */
  const includedBy = (header) => {
    const texts = [...withIncluded(root, join(native, header))].map((file) => readFileSync(file, 'utf8'))
    return known.filter((name) => texts.some((text) => text.includes(`#include <${name}>`)))
  }
  const groups = new Map()
  for (const header of headers) {
    const key = includedBy(header).join()
    groups.set(key, [...(groups.get(key) ?? []), header])
  }
  const removals = []
  const waiting = []
  try {
    await inParallel([...groups], async ([key, members]) => {
      const isWorthIt = key !== '' && members.length > 2
      const { flags, remove } = isWorthIt ? await precompile(folder, key.split(','), compile) : { flags: [] }
      if (remove) removals.push(remove)
      waiting.push(...members.map((header) => ({ header, flags })))
    })
    await inParallel(waiting, ({ header, flags }) => {
      const alone = ['-x', 'c++', '-include', join(native, header), '/dev/null']
      return compile(['-fsyntax-only', `-I${native}`, ...flags, ...alone])
    })
  } finally {
    for (const remove of removals) remove()
  }
  return headers.length
}

/** Does something with each item, as many at once as there are cores. */
async function inParallel(items, work) {
  const rest = items.values()
  const worker = async () => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
}
