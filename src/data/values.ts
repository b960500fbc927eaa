import { listNames } from '../error.ts'

/** Whether a column says nothing: absent, null, an empty text or list. */
export function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

/** Names of columns or files, for an error message: as many as a screen shows. */
export function listMany(names: readonly string[]): string {
  return listNames(names, 20)
}
