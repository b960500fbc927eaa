import type { Problem } from '../../error.ts'
import type { LeftOut } from './choose-files.ts'
import type { FileToPush } from './public-files.ts'

/** What is put on the Hub, and where. */
export interface PushOptions {
  /** Folder of an adapter, a run or an export; or a GGUF file. */
  path: string
  /** `owner/name`; a name alone is one of the token's owner. */
  repo: string
  /** Makes the repository private; default public, where the organisation does not say otherwise. */
  private?: boolean | undefined
  /** Asks nothing of the network: the result says what would be sent. */
  dryRun?: boolean | undefined
  /** The base model's name on the Hub; `none` for a model whose base is not there. Default: as the files say. */
  baseModel?: string | undefined
  /** As the Hub writes licences, `apache-2.0`; default the base model's. */
  license?: string | undefined
  /** Folder of the run that the model comes from; default: as the certificate says. */
  run?: string | undefined
  /** Further files of the folder, by name or pattern. */
  include?: readonly string[] | undefined
  /** Writes into a repository that is there already; what it has besides stays. */
  overwrite?: boolean | undefined
  /** Ends it; nothing is committed then. */
  signal?: AbortSignal | undefined
  /** Is told how far it is. */
  onProgress?: ((progress: PushProgress) => void) | undefined
}

/** How far a file is. */
export interface PushProgress {
  path: string
  state: 'hashing' | 'uploading'
  /** From 0 to 1. */
  progress: number
}

/** What was sent, or would be. */
export interface PushResult {
  /** `owner/name`; the name alone where nobody was asked whose token it is. */
  repo: string
  private: boolean
  /** Null: nothing was sent. */
  url: string | null
  commit: string | null
  files: readonly FileToPush[]
  leftOut: readonly LeftOut[]
  notices: readonly Problem[]
}
