import type { Diagnosis } from './diagnosis.ts'

/** A cure that was made. */
export interface AppliedFix {
  file: string
  describe: string
}

/** Makes the cures that diagnoses offer, in their order; each file is replaced as a whole or not at all. */
export async function applyFixes(diagnoses: readonly Diagnosis[]): Promise<AppliedFix[]> {
  const applied: AppliedFix[] = []
  for (const { fix } of diagnoses) {
    if (fix === undefined) continue
    await fix.apply()
    applied.push({ file: fix.file, describe: fix.describe })
  }
  return applied
}
