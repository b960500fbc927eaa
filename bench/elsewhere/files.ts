import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cli, eventsOf, lastLine, nodeIn, type Place } from './place.ts'

const assets = 'node_modules/fettle/assets'
const short = '--max-length 128 --lora-r 4 --save-steps 1'.split(' ')

/** What differs of files from system to system: links, names, long paths, and case. */
export async function checkFiles(
  place: Place,
  expectThat: (holds: boolean, what: string) => void,
): Promise<void> {
  const { folder, name } = place
  const isWindows = name.startsWith('win32')
  const says = (what: string, holds: boolean, told: string): void =>
    expectThat(holds, `${name}: ${what}${holds ? '' : `: ${told.slice(-1000)}`}`)
  const train = (...args: string[]) =>
    nodeIn(place, cli, 'train', `${assets}/demo.jsonl`, '--model', 'model', '--json', ...short, ...args)
  for (const left of ['runs', 'model', 'deep']) await rm(join(folder, left), { recursive: true, force: true })
  await cp(join(folder, assets, 'tiny-llama'), join(folder, 'model'), { recursive: true })

  const began: string[] = []
  for (const steps of ['1', '2']) {
    const { stdout, stderr } = await train('--max-steps', steps)
    const [start] = eventsOf(stdout).filter(({ type }) => type === 'start')
    began.push(start?.output_dir ?? stderr)
  }
  const link = await readlink(join(folder, 'runs', 'latest')).catch(() => 'no link')
  const next = await train('--max-steps', '2', '--resume')
  const [start] = eventsOf(next.stdout).filter(({ type }) => type === 'start')
  says(
    `--resume goes on with the second of two runs (runs/latest: ${link})`,
    start?.output_dir === began[1] && began[0] !== began[1] && start.first_step === 2,
    `${began.join(', ')} ${next.stdout} ${next.stderr}`,
  )

  // Longer than Windows' 260 characters.
  const deep = join('deep', ...Array.from({ length: 6 }, (_, i) => String(i).repeat(50)))
  await mkdir(join(folder, deep), { recursive: true })
  await cp(join(folder, 'model'), join(folder, deep, 'model'), { recursive: true })
  const far = await nodeIn(
    place,
    cli,
    'generate',
    '--model',
    join(deep, 'model'),
    '--max-new-tokens',
    '4',
    'Hello',
  )
  says(`a model is read from a path of ${join(folder, deep).length} characters`, far.code === 0, far.stderr)

  if (!isWindows) return
  const before = await readFile(join(folder, 'model', 'config.json'))
  const over = await train('--max-steps', '1', '--output-dir', 'MODEL', '--lora', 'null')
  says(
    'the model is not trained over by its name in another case',
    over.code === 2 && over.stderr.includes('the folder of the base model'),
    `exit ${over.code} ${over.stderr}`,
  )
  const merged = await nodeIn(
    place,
    cli,
    'merge',
    '--model',
    'model',
    '--adapter',
    began[1],
    '--output-dir',
    'Model',
    '--force',
  )
  says(
    'nor merged over',
    merged.code === 2 && merged.stderr.includes('what is read'),
    `exit ${merged.code} ${merged.stderr}`,
  )
  says('and stays', before.equals(await readFile(join(folder, 'model', 'config.json'))), 'other bytes')

  for (const odd of ['model:q8.gguf', 'nul.gguf', 'what?.gguf', 'dots./model.gguf']) {
    const { code, stderr } = await nodeIn(
      place,
      cli,
      'export',
      '--model',
      'model',
      '--format',
      'gguf',
      '--certificate-rows',
      '0',
      '--output',
      odd,
    )
    says(
      `the name ${odd} is refused`,
      code === 2 && stderr.includes('a name that Windows takes'),
      `exit ${code} ${stderr}`,
    )
  }
  const odd = (await readdir(folder)).filter((each) => /^(?:model:|nul|what|dots|\.)/i.test(each))
  says('and nothing is left of them', odd.length === 0, odd.join(' '))

  await mkdir(join(folder, 'data'), { recursive: true })
  await writeFile(join(folder, 'data', 'rows.jsonl'), await readFile(join(folder, assets, 'demo.jsonl')))
  for (const pattern of ['data\\*.jsonl', 'data/*.jsonl', 'data\\']) {
    const { code, stderr } = await nodeIn(place, cli, 'inspect', pattern, '--model', 'model', '--json')
    says(`${pattern} is read`, code === 0, lastLine(stderr))
  }
  says('no folder of another name was made', !existsSync(join(folder, 'dots')), 'dots')
}
