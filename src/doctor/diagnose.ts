import type { DataObserver } from './check.ts'
import { checkNames, type CheckName } from './check-names.ts'
import { checks } from './checks/index.ts'
import { collect, type Subjects } from './collect.ts'
import { sortDiagnoses, type Draft, type Diagnosis } from './diagnosis.ts'
import type { Patient } from './patient.ts'
import { scanData } from './scan.ts'

/** What to look at, and with which checks. */
export interface DiagnoseInput extends Subjects {
  /** Only these checks (default all). */
  only?: readonly CheckName[]
}

/**
 * Looks at a model, a tokenizer, data, a run file, an adapter or a run's folder, and says what would go wrong.
 * The data are read once, row by row; of each row only hashes are kept.
 *
 * @returns diagnoses, worst first
 */
export async function diagnose({ only = checkNames, ...subjects }: DiagnoseInput): Promise<Diagnosis[]> {
  return examinePatient(await collect(subjects), only)
}

async function examinePatient(patient: Patient, only: readonly CheckName[]): Promise<Diagnosis[]> {
  const found = new Map<CheckName, Draft[]>()
  const observers: [CheckName, DataObserver][] = only.flatMap((name) => {
    const observer = patient.data.length === 0 ? undefined : checks[name].observe?.(patient)
    return observer === undefined ? [] : [[name, observer]]
  })
  // Files that break off while they are read are problems that the check of readable files reports.
  if (observers.length > 0)
    patient.problems.push(
      ...(await scanData(
        patient,
        observers.map(([, observer]) => observer),
      )),
    )
  for (const [name, observer] of observers) found.set(name, observer.finish())
  for (const name of only)
    found.set(name, [...((await checks[name].examine?.(patient)) ?? []), ...(found.get(name) ?? [])])
  return sortDiagnoses(
    checkNames.flatMap((check) => (found.get(check) ?? []).map((draft): Diagnosis => ({ check, ...draft }))),
  )
}
