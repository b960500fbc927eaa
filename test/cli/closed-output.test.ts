import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'
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
