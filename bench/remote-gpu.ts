// What a machine with a GPU and without a network needs to compare the runner with TRL: rows of tokens, and wheels. See bench/README.md.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    out: { type: 'string', default: 'build/remote-gpu' },
    /** Of the other machine's Python, and of its TRL. */
    'python-version': { type: 'string', default: '3.12' },
    trl: { type: 'string', default: '1.16.0' },
    /** Tries the whole of it here, on a small shape. */
    tiny: { type: 'boolean', default: false },
  },
})
const { out, peers } = values
const handOff = join(out, 'hand-off')
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'inherit' })
run(
  process.execPath,
  'dist/cli.mjs',
  'prepare',
  '--model',
  join(peers, 'smollm2'),
  '--data',
  join(peers, 'docs.jsonl'),
  '--hand-off',
  handOff,
  '--max-length',
  values.tiny ? '256' : '2048',
  '--max-steps',
  values.tiny ? '4' : '40',
  '--per-device-train-batch-size',
  values.tiny ? '2' : '8',
  '--save-steps',
  '0',
  '--eval-data',
  'null',
  '--lora-r',
  '1',
  '--sample-prompts',
  '0',
)
// The other machine makes its own, of other shapes.
rmSync(join(handOff, 'adapter_init'), { recursive: true })
const program = 'bench/remote/gpu.py'
if (values.tiny)
  run(join(peers, 'venv', 'bin', 'python'), program, handOff, '--tiny', '--out', join(out, 'runs'))
else {
  const wheels = join(out, 'wheels')
  run(
    'python3',
    '-m',
    'pip',
    'download',
    '-q',
    '--no-deps',
    '--only-binary=:all:',
    '-d',
    wheels,
    '--python-version',
    values['python-version'],
    `trl==${values.trl}`,
    'datasets',
    'dill<0.4.2',
    'multiprocess<0.70.20',
  )
  console.log(`${readdirSync(wheels).length} wheels; on the other machine, in a copy of this folder:`)
  console.log(
    `python3 -m pip install -q --no-index --no-deps --target /tmp/site ${wheels}/*.whl && PYTHONPATH=/tmp/site python3 ${program} ${handOff}`,
  )
}
