import { clipText, FettleError, messageOf } from '../error.ts'

/** What helps where the Hub answers with a status, whatever was asked. */
const cures: Readonly<Record<number, string>> = {
  401: 'The token is not valid, or not any more: make one at https://huggingface.co/settings/tokens, and export HF_TOKEN=hf_….',
  429: 'The Hub was asked too often: wait a little and try again.',
}

/**
 * What the Hub refused, or that it did not answer, as an error that ends the command with 1.
 *
 * @param what  what there is not: `upload`
 * @param error  of `@huggingface/hub`, whose errors have the server's `statusCode`
 * @param ownCures  what helps against a status here, above what helps everywhere
 */
export function refusedByHub(
  hubUrl: string | undefined,
  what: string,
  error: unknown,
  ownCures: Readonly<Partial<Record<number, string>>> = {},
): FettleError {
  const status = statusOf(error)
  const cure =
    status === undefined
      ? 'Look whether this machine reaches the Hub (network, proxy, HF_ENDPOINT), and try again.'
      : (ownCures[status] ?? cures[status] ?? (status >= 500 ? 'The Hub has trouble: try again.' : undefined))
  return new FettleError(
    {
      place: hubUrl ?? 'huggingface.co',
      found: `no ${what}: ${status === undefined ? whyUnreached(error) : `${status} ${clipText(messageOf(error))}`}`,
      ...(cure !== undefined && { cure }),
    },
    { exitCode: 1, cause: error },
  )
}

/** The status that the server answered with; undefined where none did. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined
}

/** `fetch failed` says nothing; its cause does: `getaddrinfo ENOTFOUND huggingface.co`. */
function whyUnreached(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const causes = cause === undefined ? '' : ` (${messageOf(cause) || code})`
  return clipText(`${messageOf(error)}${causes}`)
}
