import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { lacksOlderRope, withOlderRope } from '../../src/export/mlx/older-rope.ts'

import { describeModel, ropeFrequencies, ropesOf } from '../../src/model/index.ts'
import { fixture, goldenModels } from '../model/golden.ts'

const linear = { rope_type: 'linear', factor: 8 }

test.each([
  ['a plain one', { rope_theta: 1e5, rope_type: 'default' }, { rope_theta: 1e5 }],
  ['one that is scaled', { rope_theta: 1e4, ...linear }, { rope_theta: 1e4, rope_scaling: linear }],
  [
    'one for each kind of layer',
    { full_attention: { rope_theta: 1e6, ...linear }, sliding_attention: { rope_theta: 1e4 } },
    { rope_theta: 1e6, rope_scaling: linear, rope_local_base_freq: 1e4 },
  ],
  [
    'one that mlx-lm has no such name for',
    { rope_theta: 1e6, rope_type: 'proportional', partial_rotary_factor: 0.25 },
    { rope_theta: 1e6, partial_rotary_factor: 0.25 },
  ],
])('the rotation in the older spelling, too: %s', (_, parameters, expected) => {
  const config = { rope_parameters: parameters }
  expect(lacksOlderRope(config)).toBe(true)
  expect(lacksOlderRope({ text_config: config })).toBe(true)
  expect(withOlderRope(config)).toEqual({ ...config, ...expected })
  expect(withOlderRope({ text_config: config })).toEqual({ text_config: { ...config, ...expected } })
})

test('what a file says stays', () => {
  const older = { rope_theta: 5, rope_parameters: { rope_theta: 6 } }
  expect(withOlderRope(older)).toEqual(older)
  expect(lacksOlderRope(older)).toBe(false)
})

test.each(goldenModels)('%s: fettle reads the same rotation of both', async (name) => {
  const raw = JSON.parse(readFileSync(fixture(name, 'config.json'), 'utf8')) as Record<string, unknown>
  const ropes = async (config: Record<string, unknown>) =>
    ropesOf((await describeModel(config, name)).architecture).map((rope) => ropeFrequencies(rope, 40))
  expect(await ropes(withOlderRope(raw))).toEqual(await ropes(raw))
})
