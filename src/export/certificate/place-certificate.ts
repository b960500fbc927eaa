import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { writeFileAtomic } from '../../formats/index.ts'
import type { ExportedFile } from '../format.ts'
import type { Certificate } from './certificate.ts'
import { certificatePage } from './certificate-page.ts'

/**
 * Writes certificate.json and certificate.html: into the folder that was exported, or beside the file. Where another export of that folder
 * has its certificate there, the names begin with the file's.
 *
 * @returns their paths
 */
export async function placeCertificate(
  certificate: Certificate,
  output: string,
  isFile: boolean,
): Promise<{ json: string; page: string }> {
  const folder = isFile ? dirname(output) : output
  const plain = join(folder, 'certificate.json')
  const prefix = isFile && existsSync(plain) ? `${basename(output)}.` : ''
  const [json, page] = ['json', 'html'].map((end) => join(folder, `${prefix}certificate.${end}`))
  await writeFileAtomic(json, `${JSON.stringify(certificate, null, 2)}\n`)
  await writeFileAtomic(page, certificatePage(certificate))
  return { json, page }
}

/**
 * Puts an export aside that is not what it should be: its folder, or each of its files, gets `.failed` behind its name, in the place of
 * what an earlier export left so.
 *
 * @returns where it is
 */
export async function setAside(
  output: string,
  isFile: boolean,
  files: readonly ExportedFile[],
): Promise<string> {
  const paths = isFile ? files.map(({ path }) => path) : [output]
  for (const path of paths) {
    await rm(`${path}.failed`, { recursive: true, force: true })
    await rename(path, `${path}.failed`)
  }
  return `${output}.failed`
}
