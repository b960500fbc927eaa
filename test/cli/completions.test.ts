import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from './run-cli.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-completions-'))
})
afterAll(() => rm(folder, { recursive: true }))

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0

async function scriptFor(shell: string): Promise<string> {
  const { code, stdout } = await runCli(['completions', shell])
  expect(code).toBe(0)
  const path = join(folder, `fettle.${shell}`)
  await writeFile(path, stdout)
  return path
}

const cases: [words: string[], expected: string[]][] = [
  [['dem'], ['demo']],
  [['train', '--learning'], ['--learning-rate']],
  [['train', '--dtype', 'b'], ['bfloat16']],
  [['merge', '--adap'], ['--adapter']],
]

describe.skipIf(!has('bash'))('bash', () => {
  test('completes commands, flags and their values', async () => {
    const path = await scriptFor('bash')
    for (const [words, expected] of cases) {
      const line = ['fettle', ...words].map((word) => `'${word}'`).join(' ')
      const program = `source ${path}; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _fettle; printf '%s\\n' "\${COMPREPLY[@]}"`
      expect(spawnSync('bash', ['-c', program], { encoding: 'utf8' }).stdout.trim().split('\n')).toEqual(
        expected,
      )
    }
  })
})

describe.skipIf(!has('fish'))('fish', () => {
  test('completes commands, flags and their values', async () => {
    const path = await scriptFor('fish')
    for (const [words, expected] of cases) {
      const program = `source ${path}; complete -C 'fettle ${words.join(' ')}'`
      const { stdout } = spawnSync('fish', ['-c', program], { encoding: 'utf8' })
      expect(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split('\t')[0]),
      ).toEqual(expected)
    }
  })
})

describe.skipIf(!has('zsh'))('zsh', () => {
  test('reads its script', async () => {
    const { status, stderr } = spawnSync('zsh', ['-n', await scriptFor('zsh')], { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })
})

test('another shell is refused', async () => {
  const { code, stderr } = await runCli(['completions', 'tcsh'])
  expect(stderr).toContain("completions: 'tcsh'; expected bash, zsh, fish")
  expect(code).toBe(2)
})

test('fettle alone says what to do with what lies in the folder', async () => {
  await writeFile(join(folder, 'my rows.jsonl'), '{"text":"a"}\n')
  await writeFile(join(folder, 'run.yaml'), 'model: path\ndata: [my rows.jsonl]\n')
  await writeFile(join(folder, 'other.yaml'), 'name: nothing of ours\n')
  const { code, stdout } = await runCli([], { cwd: folder, environment: { npm_command: 'exec' } })
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /In this folder\nrun\.yaml is a run file:\n {2}npx fettle inspect run\.yaml {2}shows/,
  )
  expect(stdout).toContain("npx fettle train --model path/to/model --data 'my rows.jsonl'  trains")
})
