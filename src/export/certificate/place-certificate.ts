import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { writeFileAtomic } from '../../formats/index.ts'
import type { Certificate } from './certificate.ts'
import { certificatePage } from './certificate-page.ts'

/**
 * Writes certificate.json and certificate.html into the folder of an export that is to be placed. Where the export is a file, and a
 * certificate lies beside it that is another's, the names begin with the file's.
 *
 * @param output  where the export is to be: a file, or the folder
 * @returns the names
 */
export async function writeCertificate(
  certificate: Certificate,
  folder: string,
  { output, isFile }: { output: string; isFile: boolean },
): Promise<{ json: string; page: string }> {
  const isFailed = certificate.verdict === 'failed'
  const isOthers = isFile && (isFailed || (await belongsToAnother(output)))
  const prefix = isOthers ? `${basename(output)}${isFailed ? '.failed' : ''}.` : ''
  const [json, page] = ['json', 'html'].map((end) => `${prefix}certificate.${end}`)
  await writeFileAtomic(join(folder, json), `${JSON.stringify(certificate, null, 2)}\n`)
  await writeFileAtomic(join(folder, page), certificatePage(certificate))
  return { json, page }
}

/** Whether certificate.json beside a file tells of another export. */
async function belongsToAnother(output: string): Promise<boolean> {
  const text = await readFile(join(dirname(output), 'certificate.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return false
  try {
    const { files } = JSON.parse(text) as Partial<Certificate>
    return files?.every(({ path }) => basename(path) !== basename(output)) ?? true
  } catch {
    return true
  }
}
