#!/usr/bin/env node
// What can be said where the program itself cannot be loaded: nothing of a file, and by nothing that would have to be loaded, too.
import { writeSync } from 'node:fs'

try {
  await import('./main.ts')
} catch (error) {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code !== 'EMFILE' && code !== 'ENFILE') throw error
  const cure = 'Raise the limit (ulimit -n 1024), and run again.'
  writeSync(2, `error fettle: too many open files: about a hundred are needed. ${cure}\n`)
  process.exitCode = 1
}
