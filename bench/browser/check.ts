/** Says whether something holds, and what was found. */
export type Check = (name: string, holds: boolean, found: string) => void

/** Prints what is checked; the process fails where something does not hold. */
export const check: Check = (name, holds, found) => {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${name}: ${found}`)
  if (!holds) process.exitCode = 1
}
