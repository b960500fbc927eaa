import type { Finding } from './finding.ts'

/** A cure that was made. */
export interface AppliedFix {
  file: string
  describe: string
}

/** Makes the cures that findings offer, in their order; each file is replaced as a whole or not at all. */
export async function applyFixes(findings: readonly Finding[]): Promise<AppliedFix[]> {
  const applied: AppliedFix[] = []
  for (const { fix } of findings) {
    if (fix === undefined) continue
    await fix.apply()
    applied.push({ file: fix.file, describe: fix.describe })
  }
  return applied
}
