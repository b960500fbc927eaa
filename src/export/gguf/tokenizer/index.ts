// The tokenizer as the metadata of a GGUF file say it, as llama.cpp's converter writes them.
// Byte-level BPE (`gpt2`), sentencepiece's BPE (`llama`) and Gemma 4's (`gemma4`).
// The chat templates stand as they are.
export { endsByText } from './known-ends.ts'
export { unnamedStops } from './special-tokens.ts'
export { tokenizerEntries } from './tokenizer-entries.ts'
