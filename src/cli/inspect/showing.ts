import type { InspectedExample, Origin } from '../../data/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { writeJsonLine } from '../terminal/json-lines.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { showExample, showPrompt, showTurn } from './examples-view.ts'
import type { InspectedPrompt } from './prompts.ts'
import { turnComparer, type TurnParity } from './serve-parity.ts'
import { plural } from '../../plural.ts'

/** Shows examples one after the other. */
export interface Showing {
  example(example: InspectedExample | InspectedPrompt): Promise<void>
  /** What there is to say of all that were shown. */
  end(): void
}

interface ShowingOptions {
  /** A line of JSON an example. */
  json: boolean
  /** Compare, turn by turn, what is trained on with what a server would build. */
  serve: boolean
  /** Variables of the template. */
  variables: Record<string, unknown>
  terminal: Terminal
}

/** @param tokenizer  of the examples */
export function createShowing(
  tokenizer: Tokenizer,
  { json, serve, variables, terminal }: ShowingOptions,
): Showing {
  const compareTurns = turnComparer(tokenizer, variables)
  let parted = 0
  return {
    async example(example) {
      if ('row' in example) {
        if (json) writeJsonLine(promptJson(example))
        else terminal.write(`${showPrompt(example, terminal)}\n`)
        return
      }
      if (!json) terminal.write(`${showExample(example, tokenizer, terminal)}\n`)
      if (serve) {
        const turns = compareTurns(example)
        parted += await (json
          ? writeParityJson(example, turns, terminal)
          : writeParity(turns, tokenizer, terminal))
      } else if (json) writeJsonLine(exampleJson(example))
    },
    end() {
      if (parted > 0)
        terminal.write(
          `${plural(parted, 'answer is', 'answers are')} served after other tokens than trained on; --per-turn trains each as it is served.\n`,
        )
    },
  }
}

/** File and line, without what was decided about the row. */
function placeOf(origin: Origin): Origin {
  const place = { ...origin }
  delete place.heldOut
  return place
}

function exampleJson({ origin, text, inputIds, mask, spans, dropped }: InspectedExample) {
  return {
    origin: placeOf(origin),
    text,
    input_ids: [...inputIds],
    mask: [...mask],
    spans,
    ...(dropped !== undefined && { dropped }),
    ...(origin.heldOut === true && { held_out: true }),
  }
}

function promptJson({ origin, text, inputIds, row }: InspectedPrompt) {
  return {
    origin: placeOf(origin),
    text,
    input_ids: [...inputIds],
    row,
    ...(origin.heldOut === true && { held_out: true }),
  }
}

/** Shows turn after turn; returns how many part. */
async function writeParity(
  turns: AsyncIterable<TurnParity>,
  tokenizer: Tokenizer,
  terminal: Terminal,
): Promise<number> {
  let parted = 0
  for await (const turn of turns) {
    if (turn.kind === 'parted') parted += 1
    terminal.write(`${showTurn(turn, tokenizer, terminal)}\n`)
  }
  terminal.write('\n')
  return parted
}

/** One line of JSON, written turn by turn: those of a long conversation are longer together than a text can be. */
async function writeParityJson(
  { origin }: InspectedExample,
  turns: AsyncIterable<TurnParity>,
  { write }: Terminal,
): Promise<number> {
  let parted = 0
  let separator = `{"origin":${JSON.stringify(placeOf(origin))},"turns":[`
  for await (const turn of turns) {
    if (turn.kind === 'parted') parted += 1
    write(separator + JSON.stringify(turnJson(turn)))
    separator = ','
  }
  write(`${separator === ',' ? '' : separator}]}\n`)
  return parted
}

function turnJson(turn: TurnParity) {
  const { message } = turn
  switch (turn.kind) {
    case 'same':
      return { message, same: true, parts_at: null, tokens: turn.tokens }
    case 'refused':
      return { message, same: false, refused: turn.reason, parts_at: null }
    case 'parted': {
      const { partsAt, trainingIds, servingIds } = turn
      return {
        message,
        same: false,
        parts_at: partsAt,
        training_ids: [...trainingIds],
        serving_ids: [...servingIds],
      }
    }
  }
}
