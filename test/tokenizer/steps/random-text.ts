import { createRandom } from '../../../src/random.ts'

/** What texts are made of: words, spaces and signs of many scripts, and what is easily broken between them. */
const pieces: readonly string[] = [
  "Hello·world·it's·WE'LL·'s·'·don'T·x2y·3·1234·١٢·½·²·Ⅷ·ﬁn·oﬃce",
  ' · ·  ·    ·\n·\n\n·\r\n·\r·\t· \n ·\u00a0·\u0085·\u2028·\u3000·\u200b',
  '.·...·!·,·?·<|·|>·_·—·“·/·\\·{}·€·£·→·$·#·`·^·▁·Ġ',
  '\0·\u0007·\u007f·\u00ad·\ufeff·\ufffd·\u200d·\u200c·\ufe0f·\ue000·\ud800·\udc00',
  'Größe·GRÖSSE·e\u0301·é·n\u0303·a\u0323\u0302·ậ·q\u0307\u0323·\u0344\u0316·\u0f73\u0f71·İ·Σας',
  'Жизнь·שלום·שָׁ·سلام·हिन्दी·ไทย·தமிழ்·བོད་·ქართული·Ἀθῆναι·\u0340\u0341',
  '日本語·你好·한국어·\u1112\u1161\u11ab·\u1112\u1161·カタカナ·か\u3099·ﾊﾟ·㌔·㍿·豈·㐀·𠮷·𫝀',
  '😀·👩‍🔬·👍🏽·❤️·🇩🇪·👨‍👩‍👧‍👦·1️⃣·𝒳·𝟘·𞤀·\u{1d15e}·\u{11099}\u{110ba}·\u{105c9}',
  "ſ·'ſ·K·ǅ·ʰ·ʕ·ß·ﬆ·͸·\u{323b0}·\u1acf·\u0c5c·\u{1e6e0}·\ufdd0·\u{10ffff}",
].flatMap((row) => row.split('·'))

/** Of a text's parts, how many are any character of Unicode, the rest being pieces. */
const strangers = 0.1

/**
 * Texts of random pieces and characters, the same for the same seed.
 *
 * @param more  further pieces, such as a tokenizer's special tokens
 */
export function randomTexts(count: number, more: readonly string[] = [], seed = 20_261_123): string[] {
  const random = createRandom(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const alphabet = [...pieces, ...more, ...more.map((piece) => piece.slice(0, -1))]
  const part = (): string => {
    if (random() >= strangers) return alphabet[below(alphabet.length)]
    return String.fromCodePoint(below(random() < 0.5 ? 0x3000 : 0x20000))
  }
  return Array.from({ length: count }, () => Array.from({ length: below(20) }, part).join(''))
}
