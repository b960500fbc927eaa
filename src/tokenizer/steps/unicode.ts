import { FettleError } from '../../error.ts'
import { unassigned } from '../../patterns/index.ts'

/**
 * The Rust library knows several versions of Unicode, one in each of the libraries that it is made of: 16 in its regular
 * expressions, 9 in its normal forms, 8 in what it does for BERT. JavaScript knows the engine's. Where a character is newer
 * than a table, that table has to say of it what it says of unassigned ones, or the tokens would not be those that the model
 * was trained with. The lists are hexadecimal code points and were found by asking the Rust library about each character.
 */

/** Characters that decompose, compose or reorder, but not in Unicode 9. */
const normalizedSince10 =
  '7fd 897-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1add 1ae0-1aeb 1df6-1dfa 32ff a7f1-a7f4 a82c ab69 105c9 105e4 ' +
  '10781-10785 10787-107b0 107b2-107ba 10d24-10d27 10d69-10d6d 10eab-10eac 10efa-10efb 10efd-10eff 10f46-10f50 ' +
  '10f82-10f85 11070 1133b 11383 11385 1138e 11391 113c5 113c7-113c8 113ce-113d0 1145e 11839-1183a 11938 1193d-1193e ' +
  '11943 119e0 11a34 11a47 11a99 11d42 11d44-11d45 11d97 11f41-11f42 16121-16128 1612f 16d68-16d6a 16ff0-16ff1 ' +
  '1ccd6-1ccf9 1e030-1e06d 1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef 1e6e3 1e6e6 1e6ee-1e6ef 1e6f5 ' +
  '1f16c 1fbf0-1fbf9'

/** Nonspacing marks that are none in Unicode 8. */
const marksSince9 =
  '7fd 897-89f 8ca-8e1 9fe afa-aff b55 c04 c3c d00 d3b-d3c d81 eba ece 180f 1885-1886 1abf-1add 1ae0-1aeb 1df6-1dfb a82c ' +
  'a8c5 a8ff a9bd 10d24-10d27 10d69-10d6d 10eab-10eac 10efa-10eff 10f46-10f50 10f82-10f85 11070 11073-11074 110c2 111c9 ' +
  '111cf 1123e 11241 1133b 113bb-113c0 113ce 113d0 113d2 113e1-113e2 11438-1143f 11442-11444 11446 1145e 1182f-11837 ' +
  '11839-1183a 1193b-1193c 1193e 11943 119d4-119d7 119da-119db 119e0 11a01-11a0a 11a33-11a38 11a3b-11a3e 11a47 ' +
  '11a51-11a56 11a59-11a5b 11a8a-11a96 11a98-11a99 11b60 11b62-11b64 11b66 11c30-11c36 11c38-11c3d 11c3f 11c92-11ca7 ' +
  '11caa-11cb0 11cb2-11cb3 11cb5-11cb6 11d31-11d36 11d3a 11d3c-11d3d 11d3f-11d45 11d47 11d90-11d91 11d95 11d97 ' +
  '11ef3-11ef4 11f00-11f01 11f36-11f3a 11f40 11f42 11f5a 13440 13447-13455 1611e-16129 1612d-1612f 16f4f 16fe4 ' +
  '1cf00-1cf2d 1cf30-1cf46 1e000-1e006 1e008-1e018 1e01b-1e021 1e023-1e024 1e026-1e02a 1e08f 1e130-1e136 1e2ae ' +
  '1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef 1e6e3 1e6e6 1e6ee-1e6ef 1e6f5 1e944-1e94a'

/** Marks of any kind that are none in Unicode 9. */
const combiningSince10 =
  '7fd 897-89f 8ca-8d3 9fe afa-aff b55 c04 c3c cf3 d00 d3b-d3c d81 eba ece 1715 180f 1abf-1add 1ae0-1aeb 1cf7 ' +
  '1df6-1dfa a82c a8ff 10d24-10d27 10d69-10d6d 10eab-10eac 10efa-10eff 10f46-10f50 10f82-10f85 11070 11073-11074 ' +
  '110c2 11145-11146 111c9 111ce-111cf 11241 1133b 113b8-113c0 113c2 113c5 113c7-113ca 113cc-113d0 113d2 ' +
  '113e1-113e2 1145e 1182c-1183a 11930-11935 11937-11938 1193b-1193e 11940 11942-11943 119d1-119d7 119da-119e0 ' +
  '119e4 11a01-11a0a 11a33-11a39 11a3b-11a3e 11a47 11a51-11a5b 11a8a-11a99 11b60-11b67 11d31-11d36 11d3a ' +
  '11d3c-11d3d 11d3f-11d45 11d47 11d8a-11d8e 11d90-11d91 11d93-11d97 11ef3-11ef6 11f00-11f01 11f03 11f34-11f3a ' +
  '11f3e-11f42 11f5a 13440 13447-13455 1611e-1612f 16f4f 16f7f-16f87 16fe4 16ff0-16ff1 1cf00-1cf2d 1cf30-1cf46 ' +
  '1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef 1e6e3 1e6e6 1e6ee-1e6ef 1e6f5'

/** Punctuation that is none in Unicode 8. */
const punctuationSince9 =
  '61d 9fd a76 c77 c84 1b4e-1b4f 1b7d-1b7f 2e43-2e4f 2e52-2e5d 10d6e 10ead 10ed0 10f55-10f59 10f86-10f89 113d4-113d5 ' +
  '113d7-113d8 1144b-1144f 1145a-1145b 1145d 11660-1166c 116b9 1183b 11944-11946 119e2 11a3f-11a46 11a9a-11a9c ' +
  '11a9e-11aa2 11b00-11b09 11be1 11c41-11c45 11c70-11c71 11ef7-11ef8 11f43-11f4f 11fff 12ff1-12ff2 16d6d-16d6f ' +
  '16e97-16e9a 16fe2 1e5ff 1e95e-1e95f'

/** The list as the inside of a character class. */
function insideOf(list: string): string {
  return list.replaceAll(/[\da-f]+/g, String.raw`\u{$&}`).replaceAll(' ', '')
}

/** A regular expression for one set of characters; the `v` flag, which they are subtracted with, is newer than our syntax. */
function oneOf(inside: string): RegExp {
  return new RegExp(`[${inside}]`, 'v')
}

/** Whether normal forms leave a character as it is, whatever JavaScript knows of it. */
export const hasNoNormalForm = (character: string): boolean => noNormalForm.test(character)
const noNormalForm = oneOf(insideOf(normalizedSince10))

/** Rust's `char::is_whitespace`. */
export const isSpace = (character: string): boolean => /\p{White_Space}/u.test(character)

/** Rust's `char::is_numeric`. */
export const isNumber = (character: string): boolean => /\p{N}/u.test(character)

/** `\w` of Rust's regular expressions. */
export const isWordCharacter = (character: string): boolean => wordCharacter.test(character)
const wordCharacter = oneOf(String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]--[${unassigned}]`)

/** Punctuation as BERT's steps see it: of ASCII everything that is neither letter, digit nor space. */
export const isPunctuation = (character: string): boolean => punctuation.test(character)
const punctuation = oneOf(
  String.raw`[\p{P}\u{166d}\u{111c9}[!-\/:-@\[-\`\{-~]]--[${insideOf(punctuationSince9)}]`,
)

/** An accent as BERT's normaliser sees it. */
export const isNonspacingMark = (character: string): boolean => nonspacingMark.test(character)
const nonspacingMark = oneOf(String.raw`[\p{Mn}\u{1734}\u{1171e}]--[${insideOf(marksSince9)}]`)

/** A mark of any kind, as `StripAccents` sees it. */
export const isCombiningMark = (character: string): boolean => combiningMark.test(character)
const combiningMark = oneOf(String.raw`[\p{M}\u1cf2\u1cf3]--[${insideOf(combiningSince10)}]`)

/** What BERT's normaliser takes out: control, format and private characters, U+0000 and U+FFFD. */
export const isControl = (character: string): boolean => control.test(character)
const control = oneOf(
  String.raw`[\p{Cc}\p{Cf}\p{Co}\ufffd]--[\t\n\r\u{890}\u{891}\u{8e2}\u{110cd}\u{13430}-\u{1343f}]`,
)

/** Whether this engine's tables are older than Unicode 16: then it cannot tell what it does not know from nothing. */
const isOldEngine = !/\p{L}/u.test('\u{105c0}')

/**
 * Stops at a character that may have come to Unicode after this engine's tables: its tokens could not be said for sure.
 *
 * @throws FettleError with the character
 */
export function checkKnown(text: string, isOld = isOldEngine): void {
  if (!isOld) return
  const [character] = /[^\P{Cn}\p{Noncharacter_Code_Point}]/u.exec(text) ?? []
  if (character !== undefined)
    throw new FettleError({
      place: 'tokenizer.encode',
      found: `U+${character.codePointAt(0)?.toString(16).toUpperCase()}, which this JavaScript engine does not know`,
      expected: 'characters of its version of Unicode',
      cure: 'Update the browser to one with Unicode 16.',
    })
}
