// Trains the demo's tokenizer, a byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909) with ChatML's special tokens:
// node scripts/demo/tokenizer.mjs TEXT.jsonl FOLDER [VOCABULARY]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [textPath, folder, size = '2048'] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node scripts/demo/tokenizer.mjs TEXT.jsonl FOLDER [VOCABULARY]')
  process.exit(2)
}

/** As SmolLM2-Instruct has them: the end of a turn is eos; unknown and padding are the end of a text. */
const special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
/** GPT-2's division into words. */
const words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

/** GPT-2's printable stand-in for each byte. */
function byteCharacters() {
  const printable = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255)
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++))
}

const characters = byteCharacters()
const counts = new Map()
for (const line of readFileSync(textPath, 'utf8').split('\n')) {
  if (line === '') continue
  for (const [word] of JSON.parse(line)
    .text.replaceAll(/<\|im_(start|end)\|>/g, '')
    .matchAll(words))
    counts.set(word, (counts.get(word) ?? 0) + 1)
}
const entries = [...counts].map(([word, count]) => ({
  count,
  parts: [...Buffer.from(word)].map((byte) => characters[byte]),
}))

const vocabulary = [...special, ...characters.toSorted()]
const merges = []
while (vocabulary.length < Number(size)) {
  const pairs = new Map()
  for (const { parts, count } of entries)
    for (let i = 1; i < parts.length; i += 1) {
      const key = `${parts[i - 1]} ${parts[i]}`
      pairs.set(key, (pairs.get(key) ?? 0) + count)
    }
  let best
  // The most frequent pair; of equals the first in code point order, so that the result does not depend on the corpus' order.
  for (const [key, count] of pairs)
    if (!best || count > best.count || (count === best.count && key < best.key)) best = { key, count }
  if (!best || best.count < 2) break
  const [left, right] = best.key.split(' ')
  merges.push([left, right])
  vocabulary.push(left + right)
  for (const { parts } of entries)
    for (let i = 1; i < parts.length; i += 1)
      if (parts[i - 1] === left && parts[i] === right) parts.splice(i - 1, 2, left + right)
}

const token = (content, id) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
})
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const tokenizer = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: special.map(token),
  normalizer: null,
  pre_tokenizer: byteLevel,
  post_processor: byteLevel,
  decoder: byteLevel,
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(vocabulary.map((text, id) => [text, id])),
    merges,
  },
}
const config = {
  add_prefix_space: false,
  bos_token: '<|im_start|>',
  eos_token: '<|im_end|>',
  unk_token: '<|endoftext|>',
  pad_token: '<|endoftext|>',
  clean_up_tokenization_spaces: false,
  model_max_length: 512,
  tokenizer_class: 'PreTrainedTokenizerFast',
}
const template = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizer)}\n`)
writeFileSync(join(folder, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`)
writeFileSync(join(folder, 'chat_template.jinja'), template)
console.log(`${folder}: ${vocabulary.length} tokens`)
