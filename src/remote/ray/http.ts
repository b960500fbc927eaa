import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { FettleError, clipText, messageOf } from '../../error.ts'

/** What a server answered. */
export interface Answer {
  status: number
  text: string
}

/** A server that did not answer in this time is not there. */
const answerMs = 60_000

/**
 * Asks the server. Not by fetch: it always says sec-fetch-mode, which Ray takes for a browser and answers 405.
 *
 * @throws ConnectionError where it cannot be reached
 */
export function ask(
  address: URL,
  path: string,
  {
    method = 'GET',
    body,
    headers = {},
  }: { method?: string; body?: Buffer; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new ConnectionError(address, error))
    const request = address.protocol === 'https:' ? requestHttps : requestHttp
    const sent = request(new URL(path, address), {
      method,
      headers: { ...headersOf(), ...headers, ...(body && { 'content-length': body.length }) },
    })
    sent.setTimeout(answerMs, () => sent.destroy(new Error('no answer within a minute')))
    sent.on('error', fail)
    sent.on('response', (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      response.on('error', fail)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.end(body)
  })
}

/** What every request says of who asks. */
export function headersOf(): Record<string, string> {
  const token = process.env['RAY_AUTH_TOKEN']
  return token ? { authorization: `Bearer ${token}` } : {}
}

/** A server that cannot be reached; asked again it may answer. */
export class ConnectionError extends FettleError {
  constructor(address: URL, cause: unknown) {
    super(
      {
        place: address.host,
        found: `no connection (${clipText(messageOf(cause))})`,
        expected: "the dashboard of Ray's head node, most often at port 8265",
        cure: `Look whether it runs (ray status), and whether this machine reaches it: curl ${address.origin}/api/version`,
      },
      { exitCode: 1, cause },
    )
  }
}
