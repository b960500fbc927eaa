import { checkPath } from '../../check-argument.ts'
import { isGgufName } from '../../formats/index.ts'
import { readFileContents, type TokenizerFileContents, type TokenizerFiles } from '../files.ts'
import { Tokenizer } from '../tokenizer.ts'
import { readTokenizerFiles, sentencePieceOf } from './read-files.ts'
import { saveTokenizer } from './save.ts'

function make(files: TokenizerFiles, sentencePiece?: string): Tokenizer {
  return new Tokenizer(files, (folder, contents) => saveTokenizer(folder, contents, sentencePiece))
}

/** Finds out what kind of tokenizer a model has, and makes it. */
export const AutoTokenizer = {
  /**
   * Loads the tokenizer of a Hugging Face folder or of a GGUF file.
   *
   * @throws FettleError that says what is there when the files are missing, broken or contradict each other
   */
  async fromPretrained(path: string): Promise<Tokenizer> {
    checkPath('path', path)
    if (!isGgufName(path)) return make(await readTokenizerFiles(path), sentencePieceOf(path))
    const { readGgufTokenizerFiles } = await import('./gguf/gguf-tokenizer.ts')
    return make(readGgufTokenizerFiles(path))
  },

  /**
   * Makes a tokenizer of files in memory, as `fettle/chat` does in a browser.
   *
   * @param place  where they came from, for error messages
   * @throws FettleError when they are broken or contradict each other
   */
  fromFiles(contents: TokenizerFileContents, place = 'tokenizer'): Tokenizer {
    return make(readFileContents(contents, place))
  },
}
