import { join, resolve } from 'node:path'
import { FettleError } from '../../error.ts'
import { commandFor, schedulers, writeHandOff, type HandOff } from '../../remote/index.ts'
import { train, type Execute } from '../../train/index.ts'
import type { readRun } from '../flags/run-flags.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

type RunInput = Parameters<typeof train>[0]

/** Writes the whole run into a folder, as its own command would begin it; what was prepared is taken. */
export async function handOff(input: RunInput, folder: string): Promise<HandOff> {
  let written: HandOff | undefined
  const execute: Execute = async function* (task) {
    written = await writeHandOff(task, folder)
    // It is a hand-off, and no training: nothing happens that would be an event.
    yield* []
  }
  // No run begins: nothing is read of an output_dir, and nothing is written there.
  const alone = { ...input, outputDir: undefined, resumeFromCheckpoint: false, execute }
  for await (const _ of train(alone));
  if (written === undefined) throw new Error('nothing was handed over')
  return written
}

/** What a command line for a scheduler is made of. */
export interface PrintedCommand {
  scheduler: string
  nodes?: number | undefined
  gpus?: number | undefined
  parallel?: string | undefined
  attention?: string | undefined
  remoteModel?: string | undefined
}

/** Hands a run over and prints what starts it, for a scheduler: nothing else goes to stdout. */
export async function printCommand(
  input: RunInput & Pick<Awaited<ReturnType<typeof readRun>>, 'outputDir'>,
  model: string,
  { scheduler: given, nodes = 1, gpus = 1, remoteModel, parallel, attention }: PrintedCommand,
  out: Terminal,
  people: Terminal,
): Promise<void> {
  const scheduler = schedulers.find((name) => name === given)
  const { outputDir: output } = input
  if (scheduler === undefined || output === undefined)
    throw new FettleError({
      place: '--print-command',
      found: scheduler === undefined ? given : 'no output_dir beside it',
      expected:
        scheduler === undefined ? schedulers.join(', ') : 'a folder that all machines share (--output-dir)',
    })
  const { folder, steps, notes } = await handOff(input, join(output, 'hand-off'))
  for (const note of notes) people.write(`${note}\n`)
  people.write(
    `${folder} holds ${plural(steps, 'step')}; put it, the model and fettle's package where the machines see them.\n`,
  )
  out.write(
    commandFor(scheduler, {
      handOff: folder,
      output,
      model: remoteModel ?? resolve(model),
      nodes,
      gpus,
      parallel,
      attention,
    }),
  )
}
