import { FettleError } from '../error.ts'
import type { DecodeStream, Tokenizer } from '../tokenizer/index.ts'

/** Hears a generation as it goes, as Transformers.js' streamers do. */
export interface Streamer {
  /** First the prompt's tokens, then each new one; one row. */
  put(tokens: readonly (readonly number[])[]): void
  /** There will be no more. */
  end(): void
}

/** What a TextStreamer does with text and tokens; names as in Transformers.js. */
export interface TextStreamerOptions {
  /** Gets each piece of text, in whole characters. */
  callback_function: (text: string) => void
  /** Gets the tokens of each piece. */
  token_callback_function?: ((tokens: readonly number[]) => void) | null
  /** Leave the prompt out (default false). */
  skip_prompt?: boolean
  /** Leave special tokens out (default true). */
  skip_special_tokens?: boolean
}

/**
 * Text as it comes, for `pipeline`. Unlike the one of Transformers.js it does not print by itself: `callback_function` says
 * where the text goes.
 */
export class TextStreamer implements Streamer {
  readonly #options: TextStreamerOptions
  readonly #decoding: DecodeStream
  #isPrompt = true

  /** @throws FettleError where no `callback_function` is given */
  constructor(tokenizer: Pick<Tokenizer, 'createDecodeStream'>, options: TextStreamerOptions) {
    if (typeof (options as Partial<TextStreamerOptions> | undefined)?.callback_function !== 'function')
      throw new FettleError({
        place: 'TextStreamer',
        found: 'no callback_function',
        expected: 'what is done with the text',
        cure: "To print it: callback_function: (text) => stdout.write(text), with stdout of 'node:process'.",
      })
    this.#options = options
    this.#decoding = tokenizer.createDecodeStream({ skipSpecialTokens: options.skip_special_tokens ?? true })
  }

  put(tokens: readonly (readonly number[])[]): void {
    if (tokens.length !== 1)
      throw new FettleError({ place: 'TextStreamer', found: `${tokens.length} rows`, expected: 'one' })
    const isPrompt = this.#isPrompt
    this.#isPrompt = false
    if (isPrompt && this.#options.skip_prompt === true) return
    const [row] = tokens
    this.#options.token_callback_function?.(row)
    this.#tell(row.map((id) => this.#decoding.push(id)).join(''))
  }

  end(): void {
    this.#isPrompt = true
    this.#tell(this.#decoding.flush())
  }

  #tell(text: string): void {
    if (text !== '') this.#options.callback_function(text)
  }
}
