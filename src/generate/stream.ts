import type { Tokenizer } from '../tokenizer/index.ts'
import type { FinishReason, Sequence } from './generate.ts'
import type { GenerateOptions } from './options.ts'
import { cutAtStopString, heldBack } from './stop-strings.ts'

/** What a stream gives each time: the next token of one row. */
export interface StreamPiece {
  /** Which prompt it belongs to. */
  row: number
  /** The token, the stop token too; none where a signal ended the row. */
  tokenIds: number[]
  /** Why the row ended, in its last piece; null in all others. */
  finishReason: FinishReason | null
}

/** A piece with its text. */
export interface TextPiece extends StreamPiece {
  /** What the token adds to the row's text; empty while a character is unfinished, or a stop string may have begun. */
  text: string
}

/** What makes text of tokens. */
export interface TextOptions {
  tokenizer: Pick<Tokenizer, 'createDecodeStream'>
  /** Leave special tokens out of the text (default true). */
  skipSpecialTokens?: boolean
  /** What the generation ends at: the text ends before it. */
  stopStrings?: string | readonly string[]
}

/** How a stream listens to a generation, and ends it. */
export type StreamHooks = Required<Pick<GenerateOptions, 'onToken' | 'signal'>>

/**
 * A generation as a stream. It does not wait for its reader: tokens that are not read yet are kept, so that streaming
 * costs no speed. A reader that leaves the loop ends it.
 *
 * @param generate  starts the generation with these hooks
 * @param signal    ends it, too: each row's last piece then says `abort`
 */
export async function* streamTokens(
  generate: (hooks: StreamHooks) => Promise<readonly Sequence[]>,
  signal?: AbortSignal,
): AsyncGenerator<StreamPiece> {
  const left = new AbortController()
  const pieces: StreamPiece[] = []
  let isOver = false
  let wake = (): void => {}
  const generation = generate({
    signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal,
    onToken(token, row, finishReason) {
      pieces.push({ row, tokenIds: [token], finishReason })
      wake()
    },
  })
  const end = (): void => {
    isOver = true
    wake()
  }
  generation.then(end, end)
  try {
    for (;;) {
      yield* pieces.splice(0)
      if (pieces.length > 0) continue
      if (isOver) break
      await new Promise<void>((resolve) => (wake = resolve))
    }
    for (const [row, { finishReason }] of (await generation).entries())
      if (finishReason === 'abort') yield { row, tokenIds: [], finishReason }
  } finally {
    left.abort()
    // Until then it uses the decoder; who leaves the loop early does not ask how it ended.
    await generation.catch(() => {})
  }
}

/** A stream with the text of its tokens, in whole characters, up to a stop string. */
export async function* withText(
  pieces: AsyncIterable<StreamPiece>,
  { tokenizer, skipSpecialTokens = true, stopStrings = [] }: TextOptions,
): AsyncGenerator<TextPiece> {
  const stops = typeof stopStrings === 'string' ? [stopStrings] : stopStrings
  const rows = new Map<number, { decoding: ReturnType<Tokenizer['createDecodeStream']>; held: string }>()
  for await (const piece of pieces) {
    const row = rows.get(piece.row) ?? {
      decoding: tokenizer.createDecodeStream({ skipSpecialTokens }),
      held: '',
    }
    rows.set(piece.row, row)
    const text = row.held + piece.tokenIds.map((id) => row.decoding.push(id)).join('')
    if (piece.finishReason === null) {
      const shown = text.length - heldBack(text, stops)
      row.held = text.slice(shown)
      yield { ...piece, text: text.slice(0, shown) }
    } else {
      const whole = text + row.decoding.flush()
      yield { ...piece, text: piece.finishReason === 'stop' ? cutAtStopString(whole, stops) : whole }
    }
  }
}
