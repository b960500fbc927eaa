// Programs with wrong numbers in them, in a process of its own: `node border-fuzz.mjs ADDON ISA PROGRAMS MUTATIONS SEED`.
// Each is refused, or runs without harm. Prints a JSON line before each program, and what came of them at the end.
import { readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'

const [addonPath, isa, path, mutations, seed] = process.argv.slice(2)
const addon = createRequire(import.meta.url)(addonPath)
const runner = new addon.Runner(isa, 2)
const write = (line) => writeSync(1, `${JSON.stringify(line)}\n`)

// mulberry32
let state = Number(seed)
const random = () => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const pick = (list) => list[Math.floor(random() * list.length)]

/** JSON has no typed arrays: `{ float32: [...] }`. */
const revive = (_, value) => {
  if (value?.float32) return Float32Array.from(value.float32, Number)
  if (value?.int32) return Int32Array.from(value.int32)
  if (value?.uint16) return Uint16Array.from(value.uint16)
  return value
}

const odd = [
  0,
  1,
  2,
  3,
  4,
  5,
  7,
  8,
  15,
  16,
  17,
  63,
  64,
  65,
  -1,
  -2,
  0.5,
  100,
  4096,
  2 ** 16,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e300,
  Number.NaN,
  -Infinity,
]

/** Some numbers of a program replaced by odd ones, by their neighbours, or by others of the program. */
function mutated(code) {
  const wrong = Float64Array.from(code)
  // Rows of some tensors that change from run to run.
  if (random() < 0.3)
    for (let i = 0; i < code[0]; i += 1) if (random() < 0.5) wrong[9 + 10 * i] = pick([0, 0, 1])
  if (random() < 0.1) return wrong
  for (let left = 1 + Math.floor(random() * 3); left > 0; left -= 1) {
    const at = Math.floor(random() * wrong.length)
    wrong[at] = random() < 0.4 ? pick(odd) : random() < 0.5 ? wrong[at] + pick([-1, 1, 2, 64]) : pick(wrong)
  }
  if (random() < 0.05) return wrong.slice(0, Math.floor(random() * wrong.length))
  return wrong
}

const counts = { refused: 0, failed: 0, ran: 0 }
for (const { name, tensors, code, arenaBytes } of JSON.parse(readFileSync(path, 'utf8'), revive)) {
  write({ begins: name })
  const handles = new Map(tensors.map(({ method, given, handle }) => [handle, runner[method](...given)]))
  const integers = tensors.flatMap(({ given: [dtype, shape], handle }) =>
    dtype === 2 && Array.isArray(shape) ? [[handles.get(handle), shape[0]]] : [],
  )
  for (let i = 0; i < code[0]; i += 1)
    if (code[1 + 10 * i] === 0) code[2 + 10 * i] = handles.get(code[2 + 10 * i])
  // As it was recorded it is right.
  await runner.run(runner.compile(Float64Array.from(code), arenaBytes), [])
  for (let round = 0; round < Number(mutations); round += 1) {
    const wrong = round % 4 === 0 ? Float64Array.from(code) : mutated(code)
    // Every fourth program stays, and its integers become wrong.
    if (round % 4 === 0)
      for (const [handle, size] of integers)
        runner.write(
          handle,
          Int32Array.from({ length: size }, () =>
            random() < 0.9 ? Math.floor(random() * 4) : pick([-1, -100, 7, 1000, 2 ** 31 - 1, -(2 ** 31)]),
          ),
        )
    let program
    try {
      program = runner.compile(wrong, random() < 0.9 ? arenaBytes : pick([0, 64, 4096, arenaBytes + 64]))
    } catch (error) {
      if (!(error instanceof Error)) throw error
      counts.refused += 1
      continue
    }
    try {
      await runner.run(program, pick([[], [], [1], [2, 1], [5]]))
      for (let index = 0; index < wrong[0]; index += 1) runner.readOutput(program, index)
      counts.ran += 1
    } catch (error) {
      if (!(error instanceof Error)) throw error
      counts.failed += 1
    }
  }
  for (const handle of handles.values()) runner.free(handle)
}
write({ end: counts })
