/**
 * Tokens at which llama.cpp stops wherever they are in a vocabulary.
 * Source: llama_vocab of src/llama-vocab.cpp, https://github.com/ggml-org/llama.cpp
 */
export const knownEnds: ReadonlySet<string> = new Set(
  [
    '<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|flush|> <|calls|> <end_of_turn> <|endoftext|> </s>',
    '<|eom_id|> <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance> <eos> <turn|> <|tool_response>',
    '<｜end▁of▁sentence｜> [e~[',
  ].flatMap((names) => names.split(' ')),
)

/** Of a vocabulary those at which llama.cpp stops: some are ordinary ones where others are. */
export function endsByText(has: (token: string) => boolean): string[] {
  const calls = has('<|call|>') || has('<|calls|>')
  const isOrdinary = new Map([
    ['<|end|>', calls && (has('<|return|>') || has('<|flush|>'))],
    ['</s>', has('<|tool_response>')],
  ])
  return [...knownEnds].filter((token) => has(token) && isOrdinary.get(token) !== true)
}
