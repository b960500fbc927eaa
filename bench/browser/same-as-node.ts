import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Check } from './check.ts'

const model = ['--model', 'assets/tiny-llama', '--engine', 'wasm']

/** The page's run on the WebAssembly engine of Node: its adapter is that of the page, which loads there and answers the same. */
export async function sameAsInNode(
  check: Check,
  out: string,
  page: { zip: string; steps: string; question: string; answer: string; machine: string },
): Promise<void> {
  const [, FETTLE_ISA, FETTLE_THREADS] = /\((.+?)\), on (\d+) thread/.exec(page.machine) ?? []
  const like = { FETTLE_ISA, FETTLE_THREADS }
  const outputDir = join(out, 'node')
  const run = {
    data: 'assets/demo.jsonl',
    'output-dir': outputDir,
    'learning-rate': 2e-3,
    'max-steps': page.steps,
    'max-length': 256,
    'save-steps': 0,
    'eval-steps': 0,
    'lora-r': 16,
    'lora-alpha': 32,
    'per-device-train-batch-size': 4,
  }
  const flags = Object.entries(run).flatMap(([name, value]) => [`--${name}`, String(value)])
  await fettle(['train', ...model, ...flags], like)
  const mine = await readFile(join(outputDir, 'adapter_model.safetensors'))
  const bytes = await readFile(page.zip)
  const folder = join(out, 'adapter')
  await mkdir(folder)
  for (const { name, offset, size } of membersOf(bytes))
    await writeFile(join(folder, name), bytes.subarray(offset, offset + size))
  const theirs = await readFile(join(folder, 'adapter_model.safetensors'))
  check('the adapter is that of Node in every bit', mine.equals(theirs), `${theirs.length} bytes`)
  const options = ['--adapter', folder, '--temperature', '0', '--max-new-tokens', '60']
  const said = (await fettle(['generate', ...model, ...options, page.question], like)).trim()
  const answered = page.answer.replace(' … (never stopped)', '').trim()
  check('it loads in Node and answers the same', said === answered, said)
}

/** What fettle's command line prints, on the vectors and threads that the page has. */
async function fettle(args: string[], like: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['dist/cli.mjs', ...args], {
    env: { ...process.env, ...like },
  })
  return stdout
}

/** Stored members: name, and where their bytes are. */
function membersOf(bytes: Buffer): { name: string; offset: number; size: number }[] {
  const members: { name: string; offset: number; size: number }[] = []
  for (let at = 0; bytes.readUInt32LE(at) === 0x04034b50;) {
    const size = bytes.readUInt32LE(at + 18)
    const nameBytes = bytes.readUInt16LE(at + 26)
    const offset = at + 30 + nameBytes
    members.push({ name: bytes.toString('utf8', at + 30, offset), offset, size })
    at = offset + size
  }
  return members
}
