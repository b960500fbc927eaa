import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Engine, Program } from '../../src/engine/engine.ts'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { trainSft } from '../../src/train/index.ts'

const log: { event: 'compile' | 'run' | 'step' | 'token'; program?: Program }[] = []

// The real engine, with a note of what it is asked for.
vi.mock('../../src/engine/index.ts', async (importOriginal) => {
  const original = await importOriginal<{ chooseEngine: (options: object) => Promise<{ engine: Engine }> }>()
  const noted = (engine: Engine): Engine => ({
    ...engine,
    compile(commands, outputs, later) {
      const program = engine.compile(commands, outputs, later)
      log.push({ event: 'compile', program })
      return program
    },
    run(program, rows) {
      log.push({ event: 'run', program })
      return engine.run(program, rows)
    },
    repeat(program, feedback, onRun) {
      return engine.repeat(program, feedback, (output) => {
        log.push({ event: 'run', program })
        return onRun(output)
      })
    },
  })
  return {
    ...original,
    async chooseEngine(options: object) {
      const chosen = await original.chooseEngine(options)
      return { ...chosen, engine: noted(chosen.engine) }
    },
  }
})

const assets = join(import.meta.dirname, '..', '..', 'assets')
const tiny = join(assets, 'tiny-llama')

/** What happened between two marks: programs compiled and run, their commands, and the largest plan. */
function between(mark: 'step' | 'token', from: number) {
  const marks = [...log.keys()].filter((i) => log[i].event === mark)
  const part = log.slice(marks[from - 1] + 1, marks[from])
  const ran = part.flatMap(({ event, program }) => (event === 'run' && program ? [program] : []))
  return {
    compiled: part.filter(({ event }) => event === 'compile').length,
    programs: ran.length,
    commands: ran.reduce((sum, { commands }) => sum + commands.length, 0),
    planKib: Math.ceil(Math.max(...ran.map(({ arenaBytes }) => arenaBytes)) / 1024),
  }
}

// Upper limits: whoever makes a figure smaller lowers its limit, and raises it only for something worth that.
describe.skipIf(nativeProblem() !== undefined)('work that is counted, on the model of the demo', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fettle-counts-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const load = () => AutoModelForCausalLM.fromPretrained(tiny, { engine: 'native', dtype: 'bfloat16' })

  /** One conversation again and again, so that every step has the same shapes. */
  async function sameRows(): Promise<string> {
    const [line] = (await readFile(join(assets, 'demo.jsonl'), 'utf8')).split('\n')
    const path = join(folder, 'same.jsonl')
    await writeFile(path, `${line}\n`.repeat(60))
    return path
  }

  it('a training step, LoRA, one packed row of 256 tokens', async () => {
    log.length = 0
    const input = {
      model: await load(),
      tokenizer: await AutoTokenizer.fromPretrained(tiny),
      data: [await sameRows()],
      outputDir: join(folder, 'run'),
      maxSteps: 4,
      perDeviceTrainBatchSize: 1,
      maxLength: 256,
      packing: true,
      trainOnInput: true,
      lora: { r: 16 },
    }
    for await (const { type } of trainSft(input)) if (type === 'step') log.push({ event: 'step' })
    for (const step of [1, 2, 3]) {
      const { compiled, programs, commands, planKib } = between('step', step)
      expect({ compiled, programs }).toEqual({ compiled: 0, programs: 3 })
      expect(commands).toBeLessThanOrEqual(122)
      expect(planKib).toBeLessThanOrEqual(5893)
    }
  })

  it('a prompt of 64 tokens', async () => {
    log.length = 0
    const model = await load()
    const inputIds = [Array.from({ length: 64 }, (_, i) => 1 + (i % 50))]
    await model.generate({ inputIds }, { maxNewTokens: 1, stopTokenIds: [] })
    const [{ commands, arenaBytes }] = log.flatMap(({ event, program }) =>
      event === 'run' && program ? [program] : [],
    )
    const rows = commands.filter(({ op }) => op === 'linear').map(({ inputs: [x] }) => x?.shape[0])
    // Four products a layer and the head: of the last layer only the keys and values of all tokens are needed.
    expect(rows).toEqual([...Array.from({ length: rows.length - 4 }, () => 64), 1, 1, 1, 1])
    expect(Math.ceil(arenaBytes / 1024)).toBeLessThanOrEqual(264)
  })

  it('a decoded token', async () => {
    log.length = 0
    const model = await load()
    const onToken = () => void log.push({ event: 'token' })
    await model.generate({ inputIds: [[1, 5, 9, 13]] }, { maxNewTokens: 6, stopTokenIds: [], onToken })
    for (const token of [2, 3, 4, 5]) {
      const { compiled, programs, commands, planKib } = between('token', token)
      expect({ compiled, programs }).toEqual({ compiled: 0, programs: 1 })
      expect(commands).toBeLessThanOrEqual(58)
      expect(planKib).toBeLessThanOrEqual(9)
    }
  })
})
