import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { FettleError } from '../../error.ts'
import { pythonEnvironment } from '../../python.ts'
import type { RenderedPrompt } from './prompt-request.ts'
import type { Runner } from './runner.ts'

/** A runtime that Python has; `transformers` with PEFT where there is an adapter. */
export type PythonRuntime = 'llama_cpp' | 'mlx_lm' | 'transformers'

/** What it loads. */
export interface PythonForm {
  model: string
  adapter?: string | undefined
  /** Tokens that it must have room for. */
  capacity: number
  threads?: number | undefined
}

/** What python/fettle_certificate answers; see its __main__.py. */
interface Hello {
  name: string
  version: string
  stops: number[]
}

/**
 * A form in a runtime of Python, which a process of its own holds; undefined where there is no such Python, or it lacks the package.
 *
 * @throws FettleError where the runtime does not load the form
 */
export async function pythonRunner(
  runtime: PythonRuntime,
  form: PythonForm,
  python: string,
): Promise<Runner | undefined> {
  const child = spawn(python, ['-m', 'fettle_certificate', runtime, JSON.stringify(form)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: pythonEnvironment(),
    windowsHide: true,
  })
  const failed = once(child, 'error').then(() => undefined)
  child.stdin.on('error', () => {})
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const close = async (): Promise<void> => {
    child.stdin.end()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  }
  const next = async (): Promise<unknown> => {
    const line = await Promise.race([lines.next(), failed])
    return line === undefined || line.done === true ? undefined : JSON.parse(line.value)
  }
  const ask = async <T>(request: object): Promise<T> => {
    child.stdin.write(`${JSON.stringify(request)}\n`)
    return answerOf<T>(await next())
  }
  const answerOf = <T>(answer: unknown): T => {
    const error = (answer as { error?: string } | undefined)?.error
    if (answer !== undefined && error === undefined) return answer as T
    throw new FettleError({
      place: form.model,
      found: error ?? `${python} ended without an answer`,
      expected: `a form that ${runtime} loads`,
    })
  }
  const first = await next()
  const isMissing = first === undefined || (first as { missing?: string }).missing !== undefined
  if (isMissing) {
    child.kill()
    return undefined
  }
  try {
    const { name, version, stops } = answerOf<Hello>(first)
    return {
      runtime: { name, version, isTarget: true },
      givesLogits: true,
      render: (request) => ask<RenderedPrompt>({ render: request }),
      isStop: (id) => stops.includes(id),
      async logits(ids, rows) {
        const { logits } = await ask<{ logits: string }>({ ids, rows })
        const bytes = Buffer.from(logits, 'base64')
        return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
