import { expect, it } from 'vitest'
import { opRulesHeader } from '../../scripts/op-rules-header.ts'

// `npm run generate` runs this test and lets it write the file.
it('native/op_rules.h is what follows from the op table', async () => {
  await expect(opRulesHeader()).toMatchFileSnapshot('../../native/op_rules.h')
})
