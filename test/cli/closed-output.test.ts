import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isUnheard } from '../../src/cli/terminal/closed-output.ts'
import { modelOf } from '../doctor/patients.ts'
import { cli, startCli } from './run-cli.ts'

/** The exit code of a command whose output nobody reads. */
function codeUnread(args: readonly string[]): Promise<number | null> {
  const child = startCli(args)
  child.stdout.destroy()
  child.stdin.end()
  return exitCode(child)
}

function exitCode(child: ReturnType<typeof startCli>): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', resolve)
  })
}

test('the exit code stays what it would have been when the reader goes away', async () => {
  const healthy = await modelOf()
  const ill = await modelOf({ generation: { eos_token_id: 597 } })
  for (const json of [[], ['--json']]) {
    expect(await codeUnread(['doctor', '--model', healthy, ...json])).toBe(0)
    expect(await codeUnread(['doctor', '--model', ill, ...json])).toBe(1)
  }
})

test.each([
  ['EPIPE', true],
  ['EOF', true],
  ['EIO', false],
  ['ENOSPC', false],
] as const)('%s of a pipe says that its reader is gone: %j', (code, gone) =>
  expect(isUnheard(Object.assign(new Error(`write ${code}`), { code }), false)).toBe(gone),
)

test('a chat ends with its reader, though more could be said', async () => {
  const child = startCli(['chat', '--model', await modelOf(), '--max-new-tokens', '4'])
  child.stdout.destroy()
  child.stdin.write('Hello\n')
  const code = await exitCode(child)
  child.stdin.end()
  expect(code).toBe(0)
})

test.skipIf(!existsSync('/dev/full')).each([
  ['inspect', ['inspect', 'assets/demo.jsonl', '--model', 'assets/tiny-llama', '--json']],
  ['doctor', ['doctor', 'assets/demo.jsonl', '--model', 'assets/tiny-llama']],
  ['generate', ['generate', 'Hi', '--model', 'assets/tiny-llama']],
  ['help', ['train', '--help']],
  ['--version', ['--version']],
])('output of %s that cannot be written: exit 1, said once', async (_, args) => {
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [cli, ...args], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  })
  closeSync(full)
  expect(stderr).toBe('error stdout: no space left on the device. Free some and run again.\n')
  expect(status).toBe(1)
})

/** Runs a command on a terminal that goes away when there is a file; prints how the command ended. */
const onTerminal = `
import os, pty, select, sys, time
until, errors, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    os.execvp(command[0], command)
while not os.path.exists(until):
    if select.select([terminal], [], [], 0.1)[0]: os.read(terminal, 65536)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`

test.skipIf(process.platform === 'win32' || spawnSync('python3', ['--version']).status !== 0)(
  'a terminal that goes away: the run ends with a checkpoint and its exit code, not by a signal of Node',
  { timeout: 120_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-gone-'))
    const run = join(folder, 'run')
    const args = ['train', '--model', 'assets/tiny-llama', '--data', 'assets/demo.jsonl', '--output-dir', run]
    const more = ['--max-steps', '100000', '--save-steps', '1', '--save-total-limit', '2']
    const errors = join(folder, 'errors')
    const { stdout } = spawnSync(
      'python3',
      ['-c', onTerminal, join(run, 'checkpoint-1'), errors, process.execPath, cli, ...args, ...more],
      { encoding: 'utf8', timeout: 110_000 },
    )
    expect(stdout.trim()).toBe('130')
    expect(readFileSync(errors, 'utf8')).not.toMatch(/fault|Assertion/)
    expect(readdirSync(run)).toContain('adapter_model.safetensors')
    expect(readdirSync(run).some((name) => name.startsWith('.lock'))).toBe(false)
  },
)

test.skipIf(process.platform === 'win32').each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
  'an export that %s ends leaves nothing behind',
  async (signal) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-ended-'))
    const args = [
      'export',
      '--model',
      'assets/tiny-llama',
      '--format',
      'onnx',
      '--output',
      join(folder, 'out'),
    ]
    const child = startCli(args)
    child.stdin.end()
    const ended = exitCode(child)
    while (readdirSync(folder).length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    child.kill(signal)
    expect(await ended).toBe(130)
    expect(readdirSync(folder)).toEqual([])
  },
)
