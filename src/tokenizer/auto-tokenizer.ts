import { readFileContents, type TokenizerFileContents } from './files.ts'
import { Tokenizer } from './tokenizer.ts'

/** Makes tokenizers where there are no folders, as in browsers. */
export const AutoTokenizer = {
  /**
   * Makes a tokenizer of the files of a model's folder, which a page has fetched.
   *
   * @param place  where they came from, for error messages
   * @throws FettleError when they are broken, contradict each other, or have parts that are not known
   */
  fromFiles(contents: TokenizerFileContents, place = 'tokenizer'): Tokenizer {
    return new Tokenizer(readFileContents(contents, place))
  },
}
