import { isJsonObject, type JsonObject } from './json.ts'

/** How a byte-level tokenizer cuts the text between added tokens into words, each of which it encodes on its own. */
export interface WordRules {
  /** Matches word after word, without gaps. */
  readonly pattern: RegExp
  /** Whether texts are brought into Unicode's composed form (NFC) first. */
  readonly composes: boolean
  /** Whether the spaces at a token's ends do not count to its characters. */
  readonly trimsSpaces: boolean
}

// tokenizer.json's pattern of GPT-2, which its ByteLevel applies unasked, and those of Llama 3 and Qwen.
const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
const digit = String.raw`\p{N}`
const cl100k = (digits: string) =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

/**
 * What published tokenizers split by, one pattern after the other, and the one pattern in JavaScript that does the
 * same. A word by itself must be one word again; it is, since nothing but white space is matched by looking ahead.
 */
const published: ReadonlyMap<string, string> = new Map([
  [gpt2, inJavaScript(gpt2)],
  // Digits stand alone before GPT-2's pattern sees the text: what it sees ends before each of them.
  [
    `${digit}\n${gpt2}`,
    inJavaScript(gpt2)
      .replace(String.raw` ?\p{N}+`, digit)
      .replace(String.raw`(?!\P{White_Space})`, String.raw`(?![^\p{White_Space}\p{N}])`),
  ],
  [cl100k(digit), inJavaScript(cl100k(digit))],
  [cl100k(`${digit}{1,3}`), inJavaScript(cl100k(`${digit}{1,3}`))],
])

/** Oniguruma's `\s` is Unicode's White_Space, JavaScript's another set; and Node 20 has no `(?i:)`. */
function inJavaScript(pattern: string): string {
  return pattern
    .replace(/\(\?i:([^)]*)\)/g, (_, inside: string) =>
      inside.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`),
    )
    .replaceAll(String.raw`\s`, String.raw`\p{White_Space}`)
    .replaceAll(String.raw`\S`, String.raw`\P{White_Space}`)
}

/**
 * Characters that are letters, numbers, white space or none of these in every version of Unicode since 3.2, and
 * symbols that can never become letters or numbers: on them the Rust library and JavaScript agree whatever their
 * tables. U+017F is left out, because it matches `s` where case does not count.
 */
const uncertain = new RegExp(
  '[^' +
    String.raw`\0-\u017e\u0180-\u0220\u0250-\u02ad\u0300-\u034f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce` +
    String.raw`\u0400-\u0486\u0488-\u04ce\u05d0-\u05ea\u060c\u061b\u061f\u0621-\u063a\u0640-\u0655\u0660-\u06ed` +
    String.raw`\u0901-\u0903\u0905-\u0939\u0958-\u0970\u0e01-\u0e3a\u0e3f-\u0e5b\u10d0-\u10f8\u1e00-\u1e9b\u1ea0-\u1ef9` +
    String.raw`\u2000-\u2052\u20a0-\u20b1\u2100-\u2131\u2190-\u23ff\u2460-\u24fe\u2500-\u2bff` +
    String.raw`\u3000-\u303f\u3041-\u3096\u3099-\u30ff\u4e00-\u9fa5\uac00-\ud7a3\ufe0f\uff01-\uffbe` +
    String.raw`\u{1f300}-\u{1faff}` +
    ']',
  'u',
)

/** Whether JavaScript cuts a text as the Rust library does. */
export function cutsAlike(text: string, { composes }: WordRules): boolean {
  return !uncertain.test(text) && (!composes || text.normalize('NFC') === text)
}

/** The rules of a tokenizer.json, or `undefined` where words of this kind are not what it encodes. */
export function readWordRules(json: JsonObject): WordRules | undefined {
  const { model, normalizer } = json
  if (!isJsonObject(model) || model.type !== 'BPE' || Boolean(model.dropout)) return undefined
  const composes = isJsonObject(normalizer) && normalizer.type === 'NFC'
  if (!composes && normalizer !== null && normalizer !== undefined) return undefined
  const source = patternOf(json.pre_tokenizer)
  if (source === undefined) return undefined
  return { pattern: new RegExp(source, 'gu'), composes, trimsSpaces: trimsSpaces(json.post_processor) }
}

function patternOf(preTokenizer: unknown): string | undefined {
  if (!isJsonObject(preTokenizer)) return undefined
  const { type, pretokenizers } = preTokenizer
  const parts: unknown[] =
    type === 'Sequence' && Array.isArray(pretokenizers) ? pretokenizers : [preTokenizer]
  const last = parts.at(-1)
  if (!isJsonObject(last) || last.type !== 'ByteLevel' || last.add_prefix_space !== false) return undefined
  const splits = parts.slice(0, -1).map(splitOf)
  if (last.use_regex !== false) splits.push(gpt2)
  return published.get(splits.join('\n'))
}

function splitOf(part: unknown): string {
  if (!isJsonObject(part)) return ''
  if (part.type === 'Digits' && part.individual_digits === true) return digit
  const regex = isJsonObject(part.pattern) ? part.pattern.Regex : undefined
  const isPlain = part.type === 'Split' && part.behavior === 'Isolated' && part.invert === false
  return isPlain && typeof regex === 'string' ? regex : ''
}

function trimsSpaces(postProcessor: unknown): boolean {
  if (!isJsonObject(postProcessor)) return false
  if (postProcessor.type === 'TemplateProcessing') return false
  if (postProcessor.type === 'Sequence' && Array.isArray(postProcessor.processors))
    return postProcessor.processors.some(trimsSpaces)
  return postProcessor.type !== 'ByteLevel' || postProcessor.trim_offsets !== false
}
