import type { FettleError } from '../../error.ts'

/** One value of a JSON file. */
export interface JsonRecord {
  value: unknown
  /** 1-based, where it begins. */
  line: number
  /** 0-based place in the lists of the file, for an item of one. */
  item?: number
}

/** How the values of a file are told apart. */
export interface RecordOptions {
  /** Whether a list that begins with this item is one value; other lists are read item by item. */
  isPartOfOne?: ((firstItem: unknown) => boolean) | undefined
  /** Is told of a value that is no JSON, and the reading goes on behind it; without it the error is thrown. */
  onInvalid?: ((error: FettleError) => void) | undefined
}
