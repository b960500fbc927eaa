// Compiles each header of native/ by itself: it must include what it needs.
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { withIncluded } from './native-sources.mjs'

/**
 * The intrinsics of the processor, read once for all headers that include simd.h: reading them takes most of the time. A compiler
 * that does it otherwise reads them anew. The other headers never see them.
 */
async function precompileIntrinsics(folder, compile) {
  const header = join(folder, `intrinsics-${process.pid}.h`)
  const compiled = `${header}.gch`
  writeFileSync(header, '#include <immintrin.h>\n')
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
  const waiting = headers.toSorted()
  const intrinsics = hasIntrinsics
    ? await precompileIntrinsics(folder, compile)
    : { flags: [], remove: () => undefined }
  const seesIntrinsics = (header) => withIncluded(root, join(native, header)).has(join(native, 'simd.h'))
  const worker = async () => {
    for (let header = waiting.shift(); header; header = waiting.shift()) {
      const flags = seesIntrinsics(header) ? intrinsics.flags : []
      const alone = ['-x', 'c++', '-include', join(native, header), '/dev/null']
      await compile(['-fsyntax-only', `-I${native}`, ...flags, ...alone])
    }
  }
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, worker))
  } finally {
    intrinsics.remove()
  }
  return headers.length
}
