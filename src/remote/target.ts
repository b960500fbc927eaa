import { FettleError, quoteValue } from '../error.ts'

/** Where a run is computed. */
export type Target =
  | { kind: 'torch' }
  | { kind: 'torchrun'; processes: number }
  | { kind: 'ray'; address: URL }
  | { kind: 'hf-jobs'; flavor: string }

const forms = 'torch, torchrun:4, ray://host:8265 or hf-jobs:l4x1'

/**
 * What `--on` says.
 *
 * @throws FettleError for anything else
 */
export function readTarget(given: string): Target {
  const wrong = (found = quoteValue(given)): FettleError =>
    new FettleError({ place: '--on', found, expected: forms })
  if (given === 'torch') return { kind: 'torch' }
  const [, kind, rest] = /^(torchrun|hf-jobs):(.+)$/.exec(given) ?? []
  if (kind === 'torchrun') {
    const processes = Number(rest)
    if (!Number.isInteger(processes) || processes < 1 || processes > 1024)
      throw wrong(`${quoteValue(rest)} processes`)
    return { kind, processes }
  }
  if (kind === 'hf-jobs') {
    if (!/^[\w-]{2,40}$/.test(rest)) throw wrong(`the flavour ${quoteValue(rest)}`)
    return { kind, flavor: rest }
  }
  if (/^rays?:\/\//.test(given)) {
    const url = given.replace(/^ray(s?):/, 'http$1:')
    if (!URL.canParse(url)) throw wrong()
    const address = new URL(url)
    if (address.port === '' && !given.startsWith('rays')) address.port = '8265'
    return { kind: 'ray', address }
  }
  throw wrong()
}
