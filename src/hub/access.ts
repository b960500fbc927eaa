import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { FettleError } from '../error.ts'

/** What `@huggingface/hub` takes to know server and user. */
export interface HubAccess {
  /** Without a slash at its end; left out for huggingface.co. */
  hubUrl?: string
  accessToken: string
}

/** Where Hugging Face's programs keep their things: HF_HOME, by default ~/.cache/huggingface. */
export function hubHome(environment: NodeJS.ProcessEnv = process.env): string {
  const { HF_HOME, XDG_CACHE_HOME } = environment
  return set(HF_HOME) ?? join(set(XDG_CACHE_HOME) ?? join(homedir(), '.cache'), 'huggingface')
}

/** The server and, where the user has one, the token, for what everybody may read. */
export function hubAccess(environment: NodeJS.ProcessEnv = process.env): Partial<HubAccess> {
  const hubUrl = set(environment['HF_ENDPOINT'])?.replace(/\/+$/, '')
  const found = findHubToken(environment)
  return {
    ...(hubUrl !== undefined && { hubUrl }),
    ...(found !== undefined && isToken(found.token) && { accessToken: found.token }),
  }
}

/**
 * The user's token and where it was: HF_TOKEN, else the file that `hf auth login` writes (HF_TOKEN_PATH, by default `token` in HF_HOME),
 * as Hugging Face's own programs look for it.
 */
function findHubToken(environment: NodeJS.ProcessEnv): Found | undefined {
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = set(environment[name])
    if (token !== undefined) return { token, place: name }
  }
  const place = set(environment['HF_TOKEN_PATH']) ?? join(hubHome(environment), 'token')
  const token = set(readIfThere(place))
  return token === undefined ? undefined : { token, place }
}

interface Found {
  token: string
  place: string
}

/**
 * The token of what nobody may do without one.
 *
 * @param purpose  what the token is to allow: `write repositories`
 * @throws FettleError where there is none
 */
export function hubToken(purpose: string, environment: NodeJS.ProcessEnv = process.env): string {
  const found = findHubToken(environment)
  if (found !== undefined && isToken(found.token)) return found.token
  throw new FettleError({
    place: found?.place ?? 'HF_TOKEN',
    found: found === undefined ? 'not set, and nobody is logged in' : 'no token of Hugging Face',
    expected: `a token that may ${purpose}`,
    cure: 'Make one at https://huggingface.co/settings/tokens, and export HF_TOKEN=hf_… or call hf auth login.',
  })
}

function isToken(text: string): boolean {
  return /^hf_[\w-]+$/.test(text)
}

/** Variables that are set to nothing are not set. */
function set(text: string | undefined): string | undefined {
  const value = text?.trim()
  return value === '' ? undefined : value
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
