import {
  checkEncoding,
  checkIds,
  checkIterable,
  checkTokens,
  isTextWithSpans,
} from './encoding/check-tokens.ts'
import {
  checkArgument,
  checkList,
  checkMessages,
  checkObject,
  checkOptionalText,
  checkPath,
  isList,
  isObject,
  isText,
} from '../check-argument.ts'
import type { Message } from '../chat/index.ts'
import { FettleError, type Problem } from '../error.ts'
import type { Backend } from './backend.ts'
import {
  makeChatTemplates,
  renderChat,
  renderPrompts,
  type ChatTemplateOptions,
  type ChatTemplates,
} from './chats/chat-templates.ts'
import {
  encodeChats,
  type Chat,
  type ChatEncoder,
  type ChatEncoding,
  type EncodeChatOptions,
} from './chats/encode-chats.ts'
import { encodeTurns, type TurnEncoding } from './chats/encode-turns.ts'
import { continuedTexts } from './encoding/continued-text.ts'
import { makeDecodeStream, type DecodeStream } from './decode-stream.ts'
import { encodeRows, type EncodeOptions } from './encoding/encode-texts.ts'
import type { BatchEncoding, Encoding } from './encoding/encoding.ts'
import { encodeTextsWithSpans, type TextWithSpans } from './encoding/encode-with-spans.ts'
import { textOf, type TokenizerFiles } from './files.ts'
import type { JsonObject } from './json.ts'
import { readKnownTokens, withAddedTokens, withoutSpecialTokens, type KnownTokens } from './known-tokens.ts'
import { namedTokens, type AddedToken, type NamedToken } from './named-tokens.ts'
import { readSnapshot, writeSnapshot, type TokenizerSnapshot } from './snapshot.ts'
import { filesOf } from './to-files.ts'
import { makeVocabulary, type Vocabulary } from './vocabulary.ts'
import { makeBackend } from './steps/make-backend.ts'

/** Writes files into a folder, in their order. */
export type SaveFiles = (folder: string, files: ReadonlyMap<string, string | Uint8Array>) => Promise<void>

/** How tokens become text. */
export interface DecodeOptions {
  /** Leave special tokens out (default false). */
  skipSpecialTokens?: boolean
}

/** A rendered conversation as tokens in plain arrays, as `encode` gives them. */
export interface EncodedChat extends Omit<ChatEncoding, 'inputIds' | 'mask'> {
  inputIds: number[]
  /** 1 = learned, for each token. */
  mask: number[]
}

let takeSnapshot: (tokenizer: Tokenizer) => TokenizerSnapshot
let restore: (snapshot: TokenizerSnapshot) => Tokenizer

/** A tokenizer as it is now, in a form that another thread takes; `tokenizerOfSnapshot` makes the same one of it. */
export function snapshotOf(tokenizer: Tokenizer): TokenizerSnapshot {
  return takeSnapshot(tokenizer)
}

/** The tokenizer that a snapshot was taken of. */
export function tokenizerOfSnapshot(snapshot: TokenizerSnapshot): Tokenizer {
  return restore(snapshot)
}

/** Text <-> tokens of one model; made by `AutoTokenizer.fromPretrained` or `AutoTokenizer.fromFiles`. */
export class Tokenizer {
  readonly #files: TokenizerFiles
  readonly #saveFiles: SaveFiles | undefined
  readonly #known: KnownTokens
  /** Whether tokenizer.json must be written anew because tokens were added since it was read. */
  #changed = false
  /** Made when first needed; blind to special tokens. */
  #blind: Backend | undefined
  readonly #templates: ChatTemplates
  readonly #vocabulary: Vocabulary

  /** @param saveFiles  absent where there are no folders, as in browsers */
  constructor(files: TokenizerFiles, saveFiles?: SaveFiles) {
    this.#files = files
    this.#saveFiles = saveFiles
    this.#known = readKnownTokens(files)
    this.#vocabulary = makeVocabulary(this.#known, this.#known.settings.cleansUp)
    this.#templates = makeChatTemplates(files.place, files.chatTemplates)
  }

  static {
    takeSnapshot = (tokenizer) =>
      writeSnapshot(tokenizer.#files, tokenizer.#tokenizerJson(), tokenizer.#known.named)
    restore = (snapshot) => {
      const { files, named } = readSnapshot(snapshot)
      const tokenizer = new Tokenizer(files)
      tokenizer.#known.named.clear()
      for (const [name, token] of named) tokenizer.#known.named.set(name, token)
      return tokenizer
    }
  }

  /** Folder or file that the tokenizer came from. */
  get place(): string {
    return this.#files.place
  }

  /** What its files hold that is not read or not obeyed, for the user to see. */
  get notices(): readonly Problem[] {
    return this.#known.notices
  }

  // ------------------------------------------------------------------ texts to tokens

  /** Tokenises a text, or several; see `EncodeOptions`. */
  encode(text: string, options?: EncodeOptions): Promise<Encoding>
  encode(texts: readonly string[], options?: EncodeOptions): Promise<BatchEncoding>
  async encode(
    text: string | readonly string[],
    options: EncodeOptions = {},
  ): Promise<Encoding | BatchEncoding> {
    checkEncoding(text, options)
    const backend = options.splitSpecialTokens === true ? this.#withoutSpecialTokens() : this.#known.backend
    const texts = typeof text === 'string' ? [text] : text
    const pairs = typeof options.pair === 'string' ? [options.pair] : options.pair
    const rows = await encodeRows(backend, texts, pairs, options, {
      ...this.#known.settings,
      place: this.place,
      padId: this.padTokenId,
    })
    if (typeof text === 'string') return rows[0]
    return {
      inputIds: rows.map((row) => row.inputIds),
      attentionMask: rows.map((row) => row.attentionMask),
      tokenTypeIds: rows.map((row) => row.tokenTypeIds),
      offsets: rows.map((row) => row.offsets),
    }
  }

  #withoutSpecialTokens(): Backend {
    this.#blind ??= makeBackend(withoutSpecialTokens(JSON.parse(textOf(this.#tokenizerJson())) as JsonObject))
    return this.#blind
  }

  // ------------------------------------------------------------------ tokens to texts

  /** The text of tokens. */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    checkIds('ids', ids)
    checkObject('options', options)
    return this.#vocabulary.decode(ids, options.skipSpecialTokens ?? false)
  }

  /** The texts of several lists of tokens. */
  batchDecode(rows: Iterable<Iterable<number>>, options: DecodeOptions = {}): string[] {
    checkIterable('rows', rows, 'lists of token ids')
    return Array.from(rows, (ids) => this.decode(ids, options))
  }

  /** Decodes tokens one by one as a model makes them, in whole characters. */
  createDecodeStream(options: DecodeOptions = {}): DecodeStream {
    checkObject('options', options)
    return makeDecodeStream((ids) => this.decode(ids, options))
  }

  // ------------------------------------------------------------------ vocabulary

  /** The id of a token as the vocabulary spells it; undefined when there is none. */
  convertTokensToIds(token: string): number | undefined
  convertTokensToIds(tokens: readonly string[]): (number | undefined)[]
  convertTokensToIds(tokens: string | readonly string[]): number | undefined | (number | undefined)[] {
    const { idOf } = this.#vocabulary
    if (typeof tokens === 'string') return idOf(tokens)
    checkList('tokens', tokens, isText, 'a text')
    return tokens.map(idOf)
  }

  /** The token of an id as the vocabulary spells it; undefined when there is none. */
  convertIdsToTokens(id: number): string | undefined
  convertIdsToTokens(ids: Iterable<number>): (string | undefined)[]
  convertIdsToTokens(ids: number | Iterable<number>): string | undefined | (string | undefined)[] {
    const { tokenOf } = this.#vocabulary
    if (typeof ids === 'number') return tokenOf(ids)
    checkIds('ids', ids)
    return Array.from(ids, tokenOf)
  }

  /** Tokens of the model's own vocabulary. */
  get vocabSize(): number {
    return this.#known.backend.size(false)
  }

  /** Tokens with the added ones: what the embedding must have rows for. */
  get length(): number {
    return this.#known.backend.size(true)
  }

  /** Adds tokens that are matched as a whole; returns how many are new. */
  addTokens(tokens: readonly (string | AddedToken)[]): number {
    checkTokens('tokens', tokens)
    this.#changed = true
    this.#blind = undefined
    return this.#vocabulary.add(tokens)
  }

  /** Adds tokens that `skipSpecialTokens` leaves out; returns how many are new. */
  addSpecialTokens(tokens: readonly (string | AddedToken)[]): number {
    checkTokens('tokens', tokens)
    return this.addTokens(
      tokens.map((token) => ({ ...(typeof token === 'string' ? { content: token } : token), special: true })),
    )
  }

  /** Every special token, in the order of ids. */
  get specialTokens(): string[] {
    return this.#vocabulary.specialTokens()
  }

  /** Every token that is matched as a whole, special or not, with its id. */
  get addedTokens(): ReadonlyMap<string, { id: number; special: boolean }> {
    return this.#known.added
  }

  // ------------------------------------------------------------------ named tokens

  get bosToken(): string | undefined {
    return this.#known.named.get('bos_token')
  }
  get eosToken(): string | undefined {
    return this.#known.named.get('eos_token')
  }
  get padToken(): string | undefined {
    return this.#known.named.get('pad_token')
  }
  get unkToken(): string | undefined {
    return this.#known.named.get('unk_token')
  }
  get bosTokenId(): number | undefined {
    return this.#namedId('bos_token')
  }
  get eosTokenId(): number | undefined {
    return this.#namedId('eos_token')
  }
  get padTokenId(): number | undefined {
    return this.#namedId('pad_token')
  }
  get unkTokenId(): number | undefined {
    return this.#namedId('unk_token')
  }

  /** The named tokens as configurations and templates call them: `bos_token`, `eos_token` and so on. */
  get namedTokens(): ReadonlyMap<NamedToken, string> {
    return this.#known.named
  }

  #namedId(name: NamedToken): number | undefined {
    const token = this.#known.named.get(name)
    return token === undefined ? undefined : this.convertTokensToIds(token)
  }

  /** Gives a token a role, as `pad_token`; a token that does not exist is added. */
  setNamedToken(name: NamedToken, token: string): void {
    checkArgument('name', name, namedTokens.includes(name), namedTokens.join(', '))
    checkArgument(name, token, isText(token) && token !== '', 'a text of at least one character')
    if (this.#known.added.get(token)?.special !== true) this.addSpecialTokens([token])
    this.#known.named.set(name, token)
  }

  // ------------------------------------------------------------------ chats

  /** The usual chat template's source; set it to another, or to undefined to remove it. */
  get chatTemplate(): string | undefined {
    return this.#templates.sources.get('default')
  }
  set chatTemplate(source: string | undefined) {
    checkOptionalText('chatTemplate', source)
    if (source === undefined) this.#templates.sources.delete('default')
    else this.#templates.sources.set('default', source)
  }

  /** All chat templates by name; some models have another for `tool_use`. */
  get chatTemplates(): ReadonlyMap<string, string> {
    return this.#templates.sources
  }

  /** The text of a conversation. Encode it with `addSpecialTokens: false`: the template wrote them already. */
  applyChatTemplate(messages: readonly Message[], options: ChatTemplateOptions = {}): string {
    checkMessages('messages', messages)
    checkObject('options', options)
    return renderChat(this.#templates, messages, options, this.#known.named)
  }

  /** A conversation's text and tokens, with what a model learns of it. */
  async encodeChat(
    messages: readonly Message[],
    given: EncodeChatOptions & { tools?: readonly unknown[] | undefined } = {},
  ): Promise<EncodedChat> {
    checkMessages('messages', messages)
    checkObject('options', given)
    const { tools, ...options } = given
    const [encoding] = await this.encodeChats([{ messages, tools }], options)
    return { ...encoding, inputIds: [...encoding.inputIds], mask: [...encoding.mask] }
  }

  /** The same for many conversations, several times as fast, in typed arrays. */
  async encodeChats(chats: readonly Chat[], options: EncodeChatOptions = {}): Promise<ChatEncoding[]> {
    checkList('chats', chats, isObject, 'a chat: { messages }')
    checkObject('options', options)
    chats.forEach(({ messages }, i) =>
      checkArgument(`chats[${i}].messages`, messages, isList(messages), 'a list of messages'),
    )
    return encodeChats(this.#chatEncoder(), chats, options)
  }

  /** Each answer of a conversation by itself, with what precedes it, as it is served. */
  encodeTurns(chat: Chat, options: EncodeChatOptions = {}): AsyncGenerator<TurnEncoding> {
    checkObject('chat', chat)
    checkMessages('chat.messages', chat.messages)
    checkObject('options', options)
    return encodeTurns(this.#chatEncoder(), continuedTexts(this), chat, options)
  }

  /** The prompts of one conversation as they are served: of its first `count` messages, for any count. */
  chatPrompts(
    messages: readonly Message[],
    options: Pick<ChatTemplateOptions, 'tools' | 'variables' | 'template'> = {},
  ): (count: number) => string {
    checkMessages('messages', messages)
    checkObject('options', options)
    return renderPrompts(this.#templates, messages, options, this.#known.named)
  }

  #chatEncoder(): ChatEncoder {
    return {
      backend: this.#known.backend,
      templates: this.#templates,
      named: this.#known.named,
      specialTokens: this.specialTokens,
    }
  }

  /** Tokens of texts of which only some parts are learned, such as a completion after its prompt. */
  encodeTextsWithSpans(
    items: readonly TextWithSpans[],
    options: { addSpecialTokens?: boolean } = {},
  ): Promise<ChatEncoding[]> {
    checkList('items', items, isTextWithSpans, 'a text with spans: { text, spans }')
    checkObject('options', options)
    return encodeTextsWithSpans(this.#known.backend, items, options)
  }

  // ------------------------------------------------------------------ files

  /**
   * Writes the files that fettle, transformers, vLLM and llama.cpp load, with the keys that were there.
   *
   * @throws FettleError where there are no folders, as in a browser: see `toFiles`
   */
  async save(folder: string): Promise<void> {
    checkPath('folder', folder)
    if (this.#saveFiles === undefined)
      throw new FettleError({
        place: 'tokenizer.save',
        found: 'no folders to write to',
        expected: 'Node',
        cure: 'Take the files from tokenizer.toFiles().',
      })
    await this.#saveFiles(folder, this.#contents())
  }

  /** The texts of the files that `save` writes, by name; `AutoTokenizer.fromFiles` reads them. */
  toFiles(): { [name: string]: string; 'tokenizer.json': string } {
    const texts = [...this.#contents()].map(([name, content]) => [name, textOf(content)] as const)
    return { ...Object.fromEntries(texts), 'tokenizer.json': textOf(this.#tokenizerJson()) }
  }

  #contents(): Map<string, string | Uint8Array> {
    return filesOf({
      files: this.#files,
      tokenizerJson: this.#tokenizerJson(),
      named: this.#known.named,
      added: this.#known.added,
      vocabSize: this.vocabSize,
    })
  }

  #tokenizerJson(): string | Uint8Array {
    return this.#changed
      ? withAddedTokens(textOf(this.#files.tokenizerJson), this.#known)
      : this.#files.tokenizerJson
  }
}
