import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isSamePlace, removePath, writeFileAtomic } from '../../formats/index.ts'
import { templateFolder } from '../files.ts'

/**
 * Writes a tokenizer's files into a folder, in their order.
 *
 * @param sentencePiece  the sentencepiece model that older tools want beside tokenizer.json, to be copied
 */
export async function saveTokenizer(
  folder: string,
  files: ReadonlyMap<string, string | Uint8Array>,
  sentencePiece: string | undefined,
): Promise<void> {
  // What a former save left there would win over what is saved now.
  await removePath(join(folder, templateFolder))
  if (!files.has('chat_template.jinja')) await removePath(join(folder, 'chat_template.jinja'))
  if (sentencePiece !== undefined && !isSamePlace(dirname(sentencePiece), folder))
    await writeFileAtomic(join(folder, 'tokenizer.model'), await readFile(sentencePiece))
  for (const [name, content] of files) await writeFileAtomic(join(folder, name), content)
}
