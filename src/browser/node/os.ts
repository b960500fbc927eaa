// Stands in for node:os in bundles for pages.
const { navigator } = globalThis

/** What the browser tells of the machine, at most 8 GiB; half of it where it tells nothing. */
export const totalmem = (): number => (navigator?.deviceMemory ?? 4) * 2 ** 30
export const freemem = (): number => totalmem()
export const availableParallelism = (): number => navigator?.hardwareConcurrency ?? 1
export const cpus = (): { model: string }[] =>
  Array.from({ length: availableParallelism() }, () => ({ model: 'unknown' }))
export const hostname = (): string => 'page'
export const homedir = (): string => '/home'
export const tmpdir = (): string => '/tmp'
export const platform = (): string => 'browser'
