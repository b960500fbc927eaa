import { readFileContents, type TokenizerFileContents } from '../files.ts'
import { Tokenizer } from '../tokenizer.ts'
import { makeJavaScriptBackend } from './javascript-backend.ts'

/** Makes tokenizers where there are no folders and no native code, as in browsers. */
export const AutoTokenizer = {
  /**
   * Makes a tokenizer of the files of a model's folder, which a page has fetched.
   *
   * @param place  where they came from, for error messages
   * @throws FettleError when they are broken, contradict each other, or have parts that are not written in JavaScript
   */
  fromFiles(contents: TokenizerFileContents, place = 'tokenizer'): Tokenizer {
    return new Tokenizer(readFileContents(contents, place), { makeBackend: makeJavaScriptBackend })
  },
}
