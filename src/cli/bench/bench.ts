import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import type { BenchCase } from './cases.ts'
import { benchCases } from './cases.ts'
import { measureGeneration } from './generate.ts'
import { measureKernels } from './kernels.ts'
import { checkPeers } from './peers.ts'
import type { Ratio } from './sitting.ts'
import { sitting } from './sitting.ts'
import { measureTraining } from './train.ts'
import { kernelLines, measurementLine, peakLines, peerLine, ratioLines, rooflineLines } from './view.ts'
import { endWhenOutputCloses } from '../terminal/closed-output.ts'
import { defineCommand } from '../command.ts'
import { wholeNumber } from '../flags/flags.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import { modelFlags, oneOf } from '../flags/model-flags.ts'
import { terminalOf } from '../terminal/terminal.ts'
import type { EngineName } from '../../engine/index.ts'
import { nativeIsas } from '../../engine/native/index.ts'

/** Measures this machine, and what fettle makes of it. */
export const bench = defineCommand({
  flags: {
    model: {
      type: 'string',
      hint: 'path',
      description: 'Model to measure with; with --peers its smollm2',
    },
    data: {
      type: 'string',
      hint: 'path',
      description: 'Conversations to train on; with --peers its docs.jsonl',
    },
    only: {
      type: 'string',
      repeats: true,
      hint: 'case',
      description: 'Only this case; may be given several times',
    },
    peers: {
      type: 'string',
      hint: 'path',
      description:
        'Folder made by bench/peers/setup.sh: measures the Python peers alternately and prints ratios',
    },
    repeat: {
      type: 'number',
      description: 'Rounds of each case, ours and the peers’; default 1, with --peers 2',
    },
    profile: {
      type: 'boolean',
      description: 'Splits each training step, and the pass over a prompt, by op beside what the peaks allow',
    },
    engine: {
      ...modelFlags.engine,
      description:
        'What computes; default native, the only one whose figures stand beside peaks of the machine',
    },
    measure: {
      type: 'string',
      hint: 'case',
      description: 'Runs one case in this process and prints its figures: what fettle bench starts for each',
    },
    json: { type: 'boolean', description: 'Prints peaks, measurements and ratios as JSON lines' },
  },
  details: [
    'Figures count on an idle machine only; each is printed with the load average at its start.',
    `Cases: ${[...benchCases.keys()].join(', ')}.`,
  ].join('\n'),
  examples: [
    'bench --model ~/models/SmolLM2-135M-Instruct --data train.jsonl',
    'bench --model ~/models/SmolLM2-135M-Instruct --data train.jsonl --only packed --profile',
    'bench --peers ~/peers --json > figures.jsonl',
  ],
  async run(flags, { repeated }) {
    endWhenOutputCloses()
    const { peers, measure } = flags
    if (peers !== undefined) checkPeers(peers)
    const model = flags.model ?? (peers === undefined ? undefined : join(peers, 'smollm2'))
    const data = flags.data ?? (peers === undefined ? undefined : join(peers, 'docs.jsonl'))
    if (model === undefined || data === undefined)
      throw new FettleError({
        place: model === undefined ? '--model' : '--data',
        found: 'not given',
        expected: 'a path, or --peers, whose folder has both',
      })
    const engine = oneOf(flags.engine, modelFlags.engine.options) ?? 'native'
    if (measure !== undefined) {
      const [[, benchCase]] = chosenCases([measure])
      writeJsonLine(
        benchCase.kind === 'train'
          ? await measureTraining(benchCase, engine, model, data)
          : benchCase.kind === 'kernels'
            ? await measureKernels(engine, model)
            : await measureGeneration(benchCase, engine, model),
      )
      return
    }
    const repeat = flags.repeat ?? (peers === undefined ? 1 : 2)
    wholeNumber('--repeat', repeat, 1)
    const out = terminalOf(process.stdout)
    const write = (lines: readonly string[]): void => out.write(`${lines.join('\n')}\n`)
    const ratios: Ratio[] = []
    const cases = chosenCases(repeated('only')).filter(([, benchCase]) => runsHere(benchCase, engine))
    for await (const event of sitting({
      model,
      data,
      cases,
      engine,
      repeat,
      ...(peers !== undefined && { peers }),
    })) {
      if (flags.json === true) writeJsonLine(event)
      else if (event.type === 'peaks') write([...peakLines(event), ''])
      else if (event.type === 'peer') write([peerLine(event)])
      else if (event.type === 'ratio') ratios.push(event)
      else if (event.type === 'kernels') write(['', ...kernelLines(event), ''])
      else {
        write([measurementLine(event, benchCases.get(event.case)?.summary ?? '')])
        const { figures, peak } = event
        if (flags.profile === true && figures.kind !== 'generate') {
          const ms =
            figures.kind === 'train' ? (figures.tokens / figures.tokens_per_s) * 1000 : figures.whole_ms
          write(['', ...rooflineLines(figures.ops, ms, peak ?? noLimits), ''])
        }
      }
    }
    if (ratios.length > 0) write(['', ...ratioLines(ratios)])
  },
})

/** Of an engine whose peaks are not measured nothing is said to be at its peak. */
const noLimits = { arithmetic: Infinity, read: Infinity }

/** A case that forces an instruction set of the native engine is left out where the machine has none such, or nothing better. */
function runsHere(benchCase: BenchCase, engine: EngineName): boolean {
  if (benchCase.kind !== 'train' || benchCase.isa === undefined) return true
  if (engine !== 'native') return false
  const isas = nativeIsas()
  return isas.includes(benchCase.isa) && isas[0] !== benchCase.isa
}

function chosenCases(names: readonly string[]): [string, BenchCase][] {
  if (names.length === 0) return [...benchCases]
  return names.map((name) => {
    const found = benchCases.get(name)
    if (found) return [name, found]
    throw new FettleError({
      place: `case ${name}`,
      found: 'no such case',
      expected: [...benchCases.keys()].join(', '),
    })
  })
}
