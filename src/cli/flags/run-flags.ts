import { readTextFile } from '../../formats/index.ts'
import type { LoadOptions } from '../../model/index.ts'
import {
  flagLayer,
  givenLora,
  optionFlags,
  readRunOptions,
  runFileLayer,
  type RunOptions,
  type TrainOptionsInput,
} from '../../train/index.ts'
import type { Flag, Flags } from './flags.ts'

/** The positional arguments of a command that takes a run. */
export const runFiles = {
  type: 'positional',
  repeats: true,
  description: 'Run files (.yaml), or data: files, folders, patterns, names on the Hub, - for standard input',
} as const satisfies Flag

/** What people change first. */
const common = [
  'model',
  'data',
  'evalData',
  'outputDir',
  'quantization',
  'loraR',
  'maxLength',
  'perDeviceTrainBatchSize',
  'numTrainEpochs',
  'learningRate',
]

/**
 * The options of a run as flags. None is required, because a run file may have it.
 *
 * @param names  only these; without it all
 */
export function runFlags(names?: readonly string[]): Flags {
  const all = optionFlags()
  const wanted = all.filter(({ name }) => names === undefined || names.includes(name))
  // A command that has them all shows them in groups, the common ones first.
  if (names === undefined)
    wanted.sort((a, b) => (common.indexOf(a.name) >>> 0) - (common.indexOf(b.name) >>> 0))
  return Object.fromEntries(
    wanted.map(({ name, group, type, description, options, hint, repeats, elsewhere, default: fallback }) => {
      const isSimple = ['string', 'number', 'boolean'].includes(typeof fallback)
      const flag: Flag = {
        type,
        description: isSimple ? `${description} Default ${String(fallback)}.` : description,
        ...(names === undefined && { group: common.includes(name) ? 'What people change first' : group }),
        ...(options !== undefined && { options }),
        ...(hint !== undefined && { hint }),
        ...(repeats && { repeats }),
        ...(elsewhere.length > 0 && { elsewhere }),
        // `--resume` alone means the newest.
        ...(name === 'resumeFromCheckpoint' && { bare: 'true', aliases: ['resume'] }),
      }
      return [name, flag]
    }),
  )
}

/** The options of a run as `trainSft` takes them. */
type RunInput = Omit<RunOptions, 'lora'> & Pick<TrainOptionsInput, 'lora'>

/** How the model of a run is loaded. */
export function loadingOf({
  engine,
  threads,
  dtype,
  quantization,
  doubleQuantization,
  activationQuantization,
}: RunInput): LoadOptions {
  return {
    dtype,
    quantization,
    doubleQuantization,
    activationQuantization,
    ...(engine !== 'auto' && { engine }),
    ...(threads !== undefined && { threads }),
  }
}

/** Whether a positional argument is a run file; anything else is data. */
function isRunFile(path: string): boolean {
  return /\.ya?ml$/i.test(path)
}

/**
 * Options from run files and flags, the flags above; other positional arguments are data.
 *
 * @throws FettleError with everything that is wrong
 */
export async function readRun(
  values: Readonly<Record<string, unknown>>,
  positionals: readonly string[],
  repeated: (name: string) => string[],
): Promise<RunInput> {
  const files = positionals.filter(isRunFile)
  const layers = await Promise.all(
    files.map(async (path) => runFileLayer(await readTextFile(path, 'a run file'), path)),
  )
  const flags: Record<string, unknown> = {}
  for (const [name, { repeats }] of Object.entries(runFlags())) {
    const value = repeats === true ? repeated(name) : values[name]
    if (Array.isArray(value) ? value.length > 0 : value !== undefined) flags[name] = value
  }
  const data = [...positionals.filter((path) => !isRunFile(path)), ...repeated('data')]
  const given = flagLayer({ ...flags, ...(data.length > 0 && { data }) })
  // What is missing altogether has no place of its own.
  const placeOf: typeof given.placeOf = (path) => (path.length === 0 ? 'flags' : given.placeOf(path))
  const all = [...layers, { ...given, placeOf }]
  const options = readRunOptions(all)
  // An adapter has its own LoRA: what is said beside it is compared with that, and defaults are not said.
  return options.adapter === null || options.lora === null ? options : { ...options, lora: givenLora(all) }
}
