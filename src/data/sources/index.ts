// Where rows lie and how they are read: files of every kind, one row at a time.
// A reader names the file and the line or row in its errors, and holds no more than it must.
export { canRepeat } from './open-rows.ts'
export { readRows } from './read-rows.ts'
export { resolveFiles } from './resolve-files.ts'
export { findValidation, holdsData } from './open-source.ts'
export { isDataFile } from './parts.ts'
