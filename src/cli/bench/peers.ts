import { existsSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { packageFolder } from '../../version.ts'
import { runProgram } from './run-program.ts'

/** A Python program that does the job of one of our cases. */
export interface Peer {
  name: string
  /** The case it is compared with. */
  against: string
  script: 'trl_sft.py' | 'bare_loop.py' | 'generate.py'
  args: readonly string[]
  /** Which figure of its output, and which of ours, tells the speed. */
  figure: 'tokens_per_s' | 'prompt_tokens_per_s'
  ours: 'tokens_per_s' | 'decode_tokens_per_s'
  /** Takes minutes before its first step: run once, however often pairs are repeated. */
  once?: true
}

/** The numbers that a peer printed, and the load average when it started. */
export interface PeerRun {
  printed: Readonly<Record<string, number>>
  load: number
}

/** The peers, with the arguments that their scripts take; `model`, `data` and `gguf` stand for paths in the folder. */
const model = 'smollm2'
const trl = (name: string, against: string, more: readonly string[]): Peer => ({
  name,
  against,
  script: 'trl_sft.py',
  args: [model, 'docs.jsonl', '--steps', '8', ...more],
  figure: 'tokens_per_s',
  ours: 'tokens_per_s',
})
const generate = (name: string, against: string, args: readonly string[]): Peer => ({
  name,
  against,
  script: 'generate.py',
  args,
  figure: 'tokens_per_s',
  ours: args[0] === 'llama.cpp' ? 'decode_tokens_per_s' : 'tokens_per_s',
})
const loop = (name: string, args: readonly string[]): Peer => ({
  name,
  against: 'packed',
  script: 'bare_loop.py',
  args: [model, ...args],
  figure: 'tokens_per_s',
  ours: 'tokens_per_s',
})
export const peers: readonly Peer[] = [
  trl('TRL + PEFT', 'packed', ['--packing', '--batch', '2']),
  trl('TRL + PEFT', 'packed-all', ['--packing', '--batch', '2']),
  loop('PyTorch loop', []),
  { ...loop('torch.compile', ['--compile']), once: true },
  trl('TRL + PEFT', 'docs', ['--batch', '4']),
  trl('TRL', 'full', ['--packing', '--batch', '2', '--full']),
  trl('TRL + PEFT, bf16', 'avx2', ['--packing', '--batch', '2']),
  generate('Transformers', 'stream', ['transformers', model, 'bfloat16', '1']),
  generate('llama.cpp, bf16', 'stream', ['llama.cpp', 'smollm2-bf16.gguf']),
  generate('llama.cpp, Q8_0', 'stream-int8', ['llama.cpp', 'smollm2-q8_0.gguf']),
  generate('llama.cpp, Q4_1', 'stream-nf4', ['llama.cpp', 'smollm2-q4_1.gguf']),
  generate('Transformers', 'streams', ['transformers', model, 'bfloat16', '16']),
  {
    ...generate('llama.cpp, bf16', 'prompt', ['llama.cpp', 'smollm2-bf16.gguf']),
    figure: 'prompt_tokens_per_s',
    ours: 'tokens_per_s',
  },
  {
    ...generate('llama.cpp, Q4_1', 'prompt', ['llama.cpp', 'smollm2-q4_1.gguf']),
    figure: 'prompt_tokens_per_s',
    ours: 'tokens_per_s',
  },
]

/**
 * Checks that a folder is one that bench/peers/setup.sh made.
 *
 * @throws FettleError that says how to make it
 */
export function checkPeers(folder: string): void {
  const scripts = join(packageFolder(), 'bench', 'peers')
  const missing = [
    join(folder, 'venv', 'bin', 'python'),
    join(folder, model),
    join(folder, 'docs.jsonl'),
    scripts,
  ].find((path) => !existsSync(path))
  if (missing === undefined) return
  throw new FettleError({
    place: `--peers ${folder}`,
    found: `no ${missing}`,
    expected: 'the environment, the model and the data of the Python peers',
    cure: 'In a clone of fettle run bench/peers/setup.sh DIR (6 GB).',
  })
}

/** Runs a peer and reads the JSON of its last line. */
export async function runPeer(peer: Peer, folder: string): Promise<PeerRun> {
  const load = loadavg()[0]
  const script = join(packageFolder(), 'bench', 'peers', peer.script)
  const { code, printed, said } = await runProgram(join('venv', 'bin', 'python'), [script, ...peer.args], {
    cwd: folder,
    env: { HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error' },
  })
  const line = printed.split('\n').at(-1) ?? ''
  if (code !== 0 || !line.startsWith('{'))
    throw new FettleError(
      { place: `${peer.name}: ${script}`, found: `exit code ${String(code)}: ${said}` },
      { exitCode: 1 },
    )
  const numbers = Object.entries(JSON.parse(line) as Record<string, unknown>).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  )
  return { printed: Object.fromEntries(numbers), load }
}

/** What makes two runs the same job: one run serves every case that it is compared with. */
export function jobOf({ script, args }: Peer): string {
  return [script, ...args].join(' ')
}
