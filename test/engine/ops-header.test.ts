import { expect, it } from 'vitest'
import { opsHeader } from '../../scripts/ops-header.ts'

// `npm run generate` runs this test and lets it write the file.
it('native/ops.h is what follows from the op table', async () => {
  await expect(opsHeader()).toMatchFileSnapshot('../../native/ops.h')
})
