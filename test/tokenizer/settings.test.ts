import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { describeProblem, FettleError } from '../../src/error.ts'
import { AutoTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts'
import { fixtures } from './golden.ts'

// What transformers 5.24 makes of tokenizer_config.json and its like with each key left out, null or odd:
// test/fixtures/tokenizers/configs/record.py.

interface Becomes {
  named: Record<string, [string, number | null]>
  added: Record<string, [id: number, special: boolean]>
  length: number
  padding_side: string
  truncation_side: string
  /** null: no limit */
  model_max_length: number | null
  /** How many tokens are put before and behind a text. */
  around: [number, number]
  decoded: string
  templates: Record<string, string> | null
}

interface Case {
  of: string
  what: string
  /** The file that is changed: keys with other values, and one that is gone. */
  file?: string
  change?: Record<string, unknown>
  gone?: string
  also_gone?: string[]
  /** A whole file that is gone. */
  gone_file?: string
  becomes?: Partial<Becomes>
  refused?: string
}

type Files = Record<string, Record<string, unknown>>

interface Recorded {
  published: Record<string, { tokenizer: string; model_type: string | null; files: Files }>
  cases: Case[]
}

const { published, cases } = JSON.parse(
  readFileSync(join(fixtures, 'configs', 'cases.json'), 'utf8'),
) as Recorded

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-settings-'))
})
afterAll(() => rm(scratch, { recursive: true }))

function filesOf({ of, file, change, gone, also_gone: alsoGone = [], gone_file: goneFile }: Case): Files {
  const { tokenizer, model_type, files } = structuredClone(published[of])
  for (const key of alsoGone) for (const content of Object.values(files)) delete content[key]
  const all: Files = {
    ...files,
    'tokenizer.json': JSON.parse(
      readFileSync(join(fixtures, tokenizer, 'tokenizer.json'), 'utf8'),
    ) as Files[string],
    ...(model_type !== null && { 'config.json': { model_type } }),
  }
  if (file !== undefined) Object.assign(all[file], change)
  if (file !== undefined && gone !== undefined) delete all[file][gone]
  if (goneFile !== undefined) delete all[goneFile]
  return all
}

async function load(files: Files): Promise<Tokenizer> {
  const folder = join(scratch, 'tokenizer')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), JSON.stringify(content))
  return AutoTokenizer.fromPretrained(folder)
}

async function described(tokenizer: Tokenizer): Promise<Becomes> {
  const text = 'Hello, world .'
  const { inputIds: plain } = await tokenizer.encode(text, { addSpecialTokens: false })
  const { inputIds: ids } = await tokenizer.encode(text)
  const before = ids.indexOf(plain[0])
  const { inputIds: cut } = await tokenizer.encode(text, {
    addSpecialTokens: false,
    truncation: true,
    maxLength: 1,
  })
  const long = 'a b '.repeat(300)
  const truncated = await tokenizer.encode(long, { truncation: true })
  const padding =
    tokenizer.padToken === undefined
      ? undefined
      : await tokenizer.encode('a', { padding: 'max_length', maxLength: 99 })
  return {
    named: Object.fromEntries(
      [...tokenizer.namedTokens].map(([name, token]) => [
        name,
        [token, tokenizer.convertTokensToIds(token) ?? null],
      ]),
    ),
    added: Object.fromEntries(
      [...tokenizer.addedTokens].map(([token, { id, special }]) => [token, [id, special]]),
    ),
    length: tokenizer.length,
    padding_side: padding === undefined ? 'unseen' : padding.attentionMask[0] === 0 ? 'left' : 'right',
    truncation_side: cut[0] === plain[0] ? 'right' : 'left',
    model_max_length: truncated.inputIds.length > 520 ? null : truncated.inputIds.length,
    around: [before, ids.length - plain.length - before],
    decoded: tokenizer.decode(plain),
    templates: tokenizer.chatTemplates.size === 0 ? null : Object.fromEntries(tokenizer.chatTemplates),
  }
}

const usual = (of: string): Becomes =>
  cases.find((each) => each.of === of && each.what === 'as published')?.becomes as Becomes

/** What transformers takes and fettle refuses: values that a key cannot have, and ids that the tokens would not get. */
const refusedHere =
  /^model_max_length (0|-1|2.5|true)$|^clean_up_tokenization_spaces (1|0|"true")$|^split_special_tokens true$|^chat_template (5|true)$|^added_tokens_decoder \{"600": \{\}\}$|^added <c> (5|-1|700)$|^added_tokens.json without <\|pad\|>$|^map bos_token \{\}$/

/** What transformers refuses and fettle takes: tokens as older versions wrote them, keys that fettle has no use for. */
const acceptedHere =
  /_token(s?) \[?\{"content": "<obj>"|null (split_special_tokens|model_input_names|add_prefix_space|do_lower_case|tokenize_chinese_chars)$|^model_input_names 5$|^tokenizer_class "(Gemma|CodeLlama)Tokenizer"$|^map additional_special_tokens \{/

/** Classes that make the tokenizer anew instead of taking that of tokenizer.json, which fettle always does. */
const madeAnew = /^tokenizer_class |^(added_tokens_decoder|(additional|extra)_special_tokens \[\{)/

describe.each(Object.keys(published))('%s', (of) => {
  it.each(cases.filter((each) => each.of === of))('$what', async (each) => {
    // Of the small tokenizer no token has the id 600 next.
    const isOther = of === 'gpt2' && each.what.startsWith('added_tokens_decoder {"600": {"content": "<new>"')
    const isRefused = refusedHere.test(each.what) || isOther
    if (each.becomes === undefined ? !acceptedHere.test(each.what) : isRefused) {
      await expect(load(filesOf(each))).rejects.toThrow(FettleError)
      return
    }
    const found = await described(await load(filesOf(each)))
    if (each.becomes === undefined) return
    const expected = { ...usual(of), ...each.becomes }
    const named = Object.entries(expected.named).filter(([, [token]]) => token !== '')
    expect(found).toEqual({
      ...expected,
      named: Object.fromEntries(named),
      templates: Object.keys(expected.templates ?? {}).length === 0 ? null : expected.templates,
      ...(madeAnew.test(each.what) && { decoded: found.decoded, around: found.around }),
      ...(madeAnew.test(each.what) &&
        of.startsWith('Qwen') && { named: found.named, added: found.added, length: found.length }),
      // Where there is no pad token nothing is padded; what is longer than the test's text is as good as no limit.
      ...(found.padding_side === 'unseen' && { padding_side: 'unseen' }),
      model_max_length: (expected.model_max_length ?? Infinity) > 520 ? null : expected.model_max_length,
      split: undefined,
      pad_type: undefined,
    })
  })
})

describe('what is told of the files', () => {
  const of = (name: string, change: Files): Files => {
    const files = filesOf({ of: name, what: '' })
    return {
      ...files,
      ...Object.fromEntries(
        Object.entries(change).map(([file, keys]) => [file, { ...files[file], ...keys }]),
      ),
    }
  }
  const told = async (files: Files) =>
    (await load(files)).notices.map((notice) =>
      describeProblem(notice).replaceAll(`${scratch}/tokenizer/`, ''),
    )

  it.each(Object.keys(published))('%s: nothing', async (name) => {
    // Its map gives other roles on purpose.
    const files = of(name, {})
    if (name.startsWith('TinyLlama')) delete files['special_tokens_map.json']
    expect(await told(files)).toEqual([])
  })

  test('keys that nothing reads are named once, also those of tokens and of other files', async () => {
    const files = of('older', {
      'tokenizer_config.json': {
        zzz: 1,
        bos_token: { content: '<|im_start|>', yyy: 2 },
        pad_token_type_id: 3,
      },
      'special_tokens_map.json': { xxx: 'x' },
    })
    expect(await told(files)).toEqual([
      'tokenizer_config.json: keys that fettle does not read: bos_token.yyy, zzz.',
      'special_tokens_map.json: keys that fettle does not read: xxx.',
    ])
  })

  test("what stands around texts is tokenizer.json's to say", async () => {
    const files = of('Mistral-7B-v0.3', {
      'tokenizer_config.json': { add_bos_token: false, add_eos_token: true },
    })
    expect(await told(files)).toEqual([
      'tokenizer_config.json: add_bos_token: false, which is not obeyed; expected true, as tokenizer.json puts "<s>" before each text: it decides, as in transformers 5.',
      'tokenizer_config.json: add_eos_token: true, which is not obeyed; expected false, as tokenizer.json does not put "</s>" behind each text: it decides, as in transformers 5.',
    ])
  })

  test('roles of an older file that the configuration decides alone', async () => {
    expect(await told(of('TinyLlama-1.1B-Chat', {}))).toEqual([
      'special_tokens_map.json: eos_token: "<unk>", which is not obeyed; expected what tokenizer_config.json says ("</s>"): it has added_tokens_decoder, so that it decides alone, as in transformers 5.',
      'special_tokens_map.json: pad_token: "<unk>", which is not obeyed; expected what tokenizer_config.json says ("</s>"): it has added_tokens_decoder, so that it decides alone, as in transformers 5.',
    ])
  })

  test('everything that is wrong with a file, together', async () => {
    const files = of('gpt2', {
      'tokenizer_config.json': {
        bos_token: 5,
        padding_side: 'middle',
        split_special_tokens: true,
        model_max_length: 0,
      },
    })
    await expect(load(files)).rejects.toMatchObject({
      problems: [
        { found: 'bos_token: 5', expected: expect.stringMatching(/^a token: its text/) as string },
        { found: 'model_max_length: 0', expected: 'a whole number above 0' },
        { found: 'padding_side: "middle"', expected: 'left or right' },
        { found: 'split_special_tokens: true', expected: 'false: chats are made of special tokens' },
      ],
    })
  })

  test('code of a model and other keys that are not obeyed', async () => {
    const files = of('gpt2', {
      'tokenizer_config.json': { auto_map: { AutoTokenizer: ['x', null] }, fix_mistral_regex: true },
    })
    expect(await told(files)).toEqual([
      'tokenizer_config.json: auto_map: {"AutoTokenizer": ["x", null]}; expected none: fettle runs no code of a model, and does what tokenizer.json says.',
      'tokenizer_config.json: fix_mistral_regex: true; expected false: fettle does what tokenizer.json says. Save the tokenizer once with transformers, which writes the right pattern.',
    ])
  })
})

test.each([
  ['chat_template.jinja', Buffer.from('\uFEFF{{ messages }}', 'utf16le'), 'UTF-16; expected UTF-8'],
  ['additional_chat_templates/tool_use.jinja', Buffer.from('{{ é }}', 'latin1'), 'bytes that are not UTF-8'],
  ['tokenizer_config.json', Buffer.from('{"a": "é"}', 'latin1'), 'bytes that are not UTF-8'],
  ['tokenizer.json', Buffer.from('{"a": "é"}', 'latin1'), 'bytes that are not UTF-8'],
] as const)('%s that is not UTF-8 is refused by name', (name, bytes, says) => {
  const json = readFileSync(join(fixtures, 'bytebpe-qwen', 'tokenizer.json'))
  expect(() => AutoTokenizer.fromFiles({ 'tokenizer.json': json, [name]: bytes })).toThrow(
    `/${name}: ${says}`,
  )
})
