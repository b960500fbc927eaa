import { readTokenizerFiles } from './files.ts'
import { readGgufTokenizerFiles } from './gguf/gguf-tokenizer.ts'
import { Tokenizer } from './tokenizer.ts'

/** Finds out what kind of tokenizer a model has, and makes it. */
export const AutoTokenizer = {
  /**
   * Loads the tokenizer of a Hugging Face folder or of a GGUF file.
   *
   * @throws FettleError that says what is there when the files are missing, broken or contradict each other
   */
  async fromPretrained(path: string): Promise<Tokenizer> {
    return new Tokenizer(
      path.endsWith('.gguf') ? readGgufTokenizerFiles(path) : await readTokenizerFiles(path),
    )
  },
}
