// multiplyAdd of native/simd.h as the module has it, and as relaxed SIMD has it, where x is a local's number:
//
//     f32x4.mul, local.get x, f32x4.add, nop     ->     local.get x, f32x4.relaxed_madd, nop, nop, nop, nop
//
// So one file serves hosts with relaxed SIMD and without. Instructions: https://webassembly.github.io/spec/core/binary/instructions.html
const multiply = [0xfd, 0xe6, 0x01]
const add = [0xfd, 0xe4, 0x01]
const multiplyAdd = [0xfd, 0x85, 0x02]
const [nop, getLocal] = [0x01, 0x20]

/** A function of three vectors, which multiplies and adds. */
const probe = [
  [0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0],
  [10, 13, 1, 11, 0, getLocal, 0, getLocal, 1, getLocal, 2, ...multiplyAdd, 11],
]

/** Whether this host has relaxed SIMD. */
export const knowsFused = (): boolean => WebAssembly.validate(Uint8Array.from(probe.flat()))

/** Makes one instruction of each product of a module that is added to something; says how many there were. */
export function fuseProducts(bytes: Uint8Array): number {
  const has = (at: number, expected: readonly number[]): boolean =>
    expected.every((byte, i) => bytes[at + i] === byte)
  let count = 0
  for (let at = bytes.indexOf(multiply[0]); at >= 0; at = bytes.indexOf(multiply[0], at + 1)) {
    if (!has(at, [...multiply, getLocal])) continue
    const local = at + multiply.length
    let sum = local + 1
    while (bytes[sum] >= 128) sum += 1
    sum += 1
    if (!has(sum, [...add, nop])) continue
    bytes.copyWithin(at, local, sum)
    at += sum - local
    bytes.set([...multiplyAdd, nop, nop, nop, nop], at)
    at += multiplyAdd.length
    count += 1
  }
  return count
}
