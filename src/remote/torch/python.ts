import { execFile } from 'node:child_process'
import { FettleError, type Problem } from '../../error.ts'
import { defaultPython, venvPython } from '../../python.ts'

/** A Python that can run the runner. */
export interface Python {
  path: string
  versions: Readonly<Record<string, string>>
}

/** What the runner was written for: older ones lack what it calls. */
const needed: Readonly<Record<string, string>> = {
  torch: '2.6',
  transformers: '4.56',
  peft: '0.17',
  safetensors: '0.4.3',
}
const quantizing = { bitsandbytes: '0.45' }

/** Without importing any: that takes seconds. */
const question = `
import importlib.metadata, json, sys
found = {"python": "%d.%d" % sys.version_info[:2]}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
`

/**
 * Finds a Python with what the runner needs.
 *
 * @param named      by `--python`; default what Python is called here
 * @param quantized  whether the base is held in 4 or 8 bits
 * @throws FettleError that says what is missing and how to install it
 */
export async function findPython(named?: string, quantized = false): Promise<Python> {
  const given = named ?? (await defaultPython())
  const wanted: Record<string, string> = { ...needed, ...(quantized && quantizing) }
  const versions = await askVersions(given, Object.keys(wanted))
  const install = `${given} -m pip install -U ${Object.keys(wanted).join(' ')}`
  const problems = Object.entries({ python: '3.10', ...wanted }).flatMap(([name, least]): Problem[] => {
    const found = versions[name]
    if (found !== undefined && !isBelow(found, least)) return []
    return [
      {
        place: `${given}: ${name}`,
        found: found ?? 'not installed',
        expected: `${least} or newer`,
        cure: name === 'python' ? 'Name a newer one with --python.' : install,
      },
    ]
  })
  if (problems.length > 0) throw new FettleError(problems)
  return { path: given, versions }
}

function askVersions(python: string, names: readonly string[]): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    execFile(
      python,
      ['-c', question, ...names],
      { timeout: 30_000, windowsHide: true },
      (error, stdout, stderr) => {
        const answer = /^\{.*\}$/m.exec(stdout)
        if (!error && answer) return resolve(JSON.parse(answer[0]) as Record<string, string>)
        const isMissing = error !== null && 'code' in error && error.code === 'ENOENT'
        reject(
          new FettleError({
            place: `--python ${python}`,
            found: isMissing ? 'no such program' : (stderr.trim().split('\n').at(-1) ?? '').slice(0, 200),
            expected: 'Python 3.10 or newer, with torch, transformers, peft and safetensors',
            cure: `Install Python, or name the one of an environment: --python ${venvPython}.`,
          }),
        )
      },
    )
  })
}

/** Whether a version is before another, by the numbers that both have. */
function isBelow(found: string, least: string): boolean {
  const numbers = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0)
  const [own, other] = [numbers(found), numbers(least)]
  const at = other.findIndex((number, i) => number !== (own[i] ?? 0))
  return at >= 0 && (own[at] ?? 0) < other[at]
}
