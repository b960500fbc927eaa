import { isSpace } from './split.ts'

/*
 * What Python's str says of a character. JavaScript's properties are those of a newer Unicode than Python 3.11's 14.0;
 * test/jinja/types/unicode.test.ts compares all characters of that version.
 */

const letter = /\p{L}/u
const decimal = /\p{Nd}/u
const digit =
  /[\p{Nd}²³¹\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}]/u
const numeral = /[\p{Nd}\p{No}\p{Nl}]/u
// Unicode gives these ideographs a number.
const numeralIdeographs = new Set(
  '㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零\uf96b\uf973\uf978\uf9b2\uf9d1\uf9d3\uf9fd𠀁𠁤𠃢𠄡𠤪𠦃𠦌𠦜𠫪𠫽𠬙𢎐𢦘𣬛𦉭廾',
)
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u
const upperLetter = /\p{Uppercase}/u
const titleLetter = /\p{Lt}/u
const lowerLetter = /\p{Lowercase}/u
// Letters whose case changed after Unicode 14.
const newerLower = new Set('ჼꟲꟳꟴꭩ')

export const isUpperCharacter = (character: string): boolean => upperLetter.test(character)
const isTitleCharacter = (character: string): boolean => titleLetter.test(character)
export const isLowerCharacter = (character: string): boolean =>
  (lowerLetter.test(character) && !newerLower.has(character)) || character === 'ʕ'
export const isCasedCharacter = (character: string): boolean =>
  isLowerCharacter(character) || isUpperCharacter(character) || isTitleCharacter(character)

const isNumeric = (character: string): boolean => numeral.test(character) || numeralIdeographs.has(character)

/** The properties that all characters of a text must have: str.isalpha and its like. */
export const characterClasses = {
  isalnum: (character) => letter.test(character) || isNumeric(character),
  isalpha: (character) => letter.test(character),
  isdecimal: (character) => decimal.test(character),
  isdigit: (character) => digit.test(character),
  isnumeric: isNumeric,
  isspace: isSpace,
} satisfies Record<string, (character: string) => boolean>

/** Whether repr would show a character as it is. */
export function isPrintable(character: string): boolean {
  return !unprintable.test(character)
}
