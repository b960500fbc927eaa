/** Whether a path is that of a GGUF file, by its name, in whatever case. */
export function isGgufName(path: string): boolean {
  return /\.gguf$/i.test(path)
}

/** A name that llama-gguf-split gave a part of a model: `<stem>-00001-of-00003.gguf`. */
export interface GgufPart {
  stem: string
  count: number
  /** With its dot, as it is written. */
  extension: string
}

/** What the name of a part says; undefined for other names. */
export function ggufPartOf(path: string): GgufPart | undefined {
  const [, stem, count, extension] = /^(.+)-\d{5}-of-(\d{5})(\.gguf)$/is.exec(path) ?? []
  return stem === undefined ? undefined : { stem, count: Number(count), extension }
}

/** The name of part `part` (from 1) of a model. */
export function ggufPartName({ stem, count, extension }: GgufPart, part: number | '?????'): string {
  const digits = (value: number | string): string => String(value).padStart(5, '0')
  return `${stem}-${digits(part)}-of-${digits(count)}${extension}`
}
