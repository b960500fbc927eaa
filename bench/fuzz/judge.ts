import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** safetensors' own library in Python: what it refuses, fettle must refuse. */
export interface Judge {
  /** Why the library refuses the file, or undefined. */
  refusal(path: string): Promise<string | undefined>
  close(): void
}

const program = `
import sys
from safetensors import deserialize
for line in sys.stdin:
    try:
        deserialize(open(line.rstrip("\\n"), "rb").read())
        print("ok", flush=True)
    except Exception as error:
        print("refused " + repr(str(error))[:300], flush=True)
`

export function openJudge(python: string): Judge {
  const child = spawn(python, ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async refusal(path) {
      child.stdin.write(`${path}\n`)
      const { value, done } = await answers.next()
      if (done === true) throw new Error('the Python side of the judge ended')
      return value === 'ok' ? undefined : value
    },
    close: () => child.stdin.end(),
  }
}
