/** Writes the SHA-256 of each file, by its path from `root`, into `sources.json` of a folder. */
export function writeSources(root: string, folder: string, files: Iterable<string>): void
