import { expect, it } from 'vitest'
import { opRulesHeader } from '../../scripts/op-rules-header.ts'
import { opsHeader } from '../../scripts/ops-header.ts'

// `npm run generate` runs these tests and lets them write the files.
it.each([
  ['ops.h', opsHeader],
  ['op_rules.h', opRulesHeader],
])('native/%s is what follows from the op table', async (name, header) => {
  await expect(header()).toMatchFileSnapshot(`../../native/${name}`)
})
