import { describe, expect, it, test } from 'vitest'
import {
  bfloat16ToFloat32,
  bfloat16ToNumber,
  float16ToFloat32,
  float16ToNumber,
  float32ToBfloat16,
  float32ToFloat16,
  numberToBfloat16,
  numberToFloat16,
} from '../src/float16.ts'

// Values and bits from numpy and torch.
describe('float16', () => {
  it.each([
    ['zero', 0, 0x0000],
    ['minus zero', -0, 0x8000],
    ['one', 1, 0x3c00],
    ['third', 1 / 3, 0x3555],
    ['largest', 65504, 0x7bff],
    ['rounds to infinity', 65520, 0x7c00],
    ['just below that', 65519.99, 0x7bff],
    ['tie to even, down', 1 + 2 ** -11, 0x3c00],
    ['tie to even, up', 1 + 3 * 2 ** -11, 0x3c02],
    ['smallest normal', 2 ** -14, 0x0400],
    ['rounds up to normal', 2 ** -14 - 2 ** -26, 0x0400],
    ['subnormal', 3 * 2 ** -24, 0x0003],
    ['subnormal tie', 2.5 * 2 ** -24, 0x0002],
    ['half the smallest', 2 ** -25, 0x0000],
    ['above half the smallest', 2 ** -25 * 1.01, 0x0001],
    ['minus infinity', -Infinity, 0xfc00],
    ['far too large', -1e30, 0xfc00],
  ])('%s', (_, value, bits) => {
    expect(numberToFloat16(value)).toBe(bits)
    expect(float32ToFloat16(Float32Array.of(value))[0]).toBe(bits)
  })

  test('every bit pattern survives widening and narrowing', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const back = float32ToFloat16(float16ToFloat32(bits))
    // Signalling NaNs become quiet.
    for (let i = 0; i < bits.length; i++)
      if (Number.isNaN(float16ToNumber(i))) expect(float16ToNumber(back[i])).toBeNaN()
      else if (back[i] !== i) expect(back[i]).toBe(i)
  })
})

describe('bfloat16', () => {
  it.each([
    ['one', 1, 0x3f80],
    ['third', 1 / 3, 0x3eab],
    ['tie to even, down', 1 + 2 ** -8, 0x3f80],
    ['tie to even, up', 1 + 3 * 2 ** -8, 0x3f82],
    ['largest float32 rounds to infinity', 3.4028234663852886e38, 0x7f80],
    ['minus infinity', -Infinity, 0xff80],
    ['subnormal', 2 ** -133, 0x0001],
  ])('%s', (_, value, bits) => {
    expect(numberToBfloat16(value)).toBe(bits)
    expect(float32ToBfloat16(Float32Array.of(value))[0]).toBe(bits)
  })

  test('every bit pattern survives widening and narrowing', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const back = float32ToBfloat16(bfloat16ToFloat32(bits))
    for (let i = 0; i < bits.length; i++)
      if (Number.isNaN(bfloat16ToNumber(i))) expect(bfloat16ToNumber(back[i])).toBeNaN()
      else if (back[i] !== i) expect(back[i]).toBe(i)
  })

  test('a NaN whose lower half alone says so stays NaN', () => {
    const float = new Float32Array(Uint32Array.of(0x7f800001).buffer)
    expect(bfloat16ToNumber(float32ToBfloat16(float)[0])).toBeNaN()
    expect(float16ToNumber(float32ToFloat16(float)[0])).toBeNaN()
  })
})
