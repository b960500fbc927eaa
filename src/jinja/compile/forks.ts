import { ForkRefused, isForked } from '../fork-state.ts'
import { saveMeter, spendSteps } from '../meter.ts'
import type { GrowingList, Watch } from '../types/growing-list.ts'
import type { Run } from '../types/text.ts'
import { Output, type Activation, type RoundWatch, type TextSpan } from './runtime.ts'

/** What a render wrote until its messages ended, and what it wrote then. */
interface Fork {
  /** Characters, and generation spans, of the longer render that are its own as well. */
  length: number
  spans: number
  tail: Output
}

/** A text with its sources, before they are looked at. */
export interface ForkedText {
  readonly text: string
  readonly runs: readonly Run[]
  readonly generationSpans: readonly TextSpan[]
}

/**
 * Renders of beginnings of a list, found in the render of all of it. Up to a round of the loop over the list both are one, if
 * nothing that the longer one saw until then would have been otherwise in the shorter one, whose loop ends there: what
 * follows the loop is then done at once, with the beginning in place of the list, and undone.
 */
export class Forks implements RoundWatch {
  readonly #watch: Watch
  readonly #isWanted: (count: number) => boolean
  readonly #found = new Map<number, Fork>()
  /** Loops that are not left any more: what follows changes what it may not, or costs as much as the loop itself. */
  readonly #over = new Set<unknown>()

  /** @param isWanted  whether the beginning of so many items is asked for */
  constructor(watch: Watch, isWanted: (count: number) => boolean) {
    this.#watch = watch
    this.#isWanted = isWanted
  }

  /**
   * Before a loop over the list draws its next item.
   *
   * @param loop   the same for each of its rounds
   * @param drawn  items that it drew
   * @param goOn   what a render does when the loop is over
   */
  at(
    loop: unknown,
    list: GrowingList,
    drawn: number,
    activation: Activation,
    output: Output,
    goOn: (activation: Activation, output: Output) => void,
  ): void {
    const watch = this.#watch
    const count = list.offset + drawn
    if (isForked() || this.#over.has(loop) || watch.least > count || !this.#isWanted(count)) return
    const { registers, render } = activation
    const { position } = render
    const kept = [...registers]
    const restoreMeter = saveMeter()
    const tail = new Output(true)
    const fork: Fork = {
      length: output.builder.value.length,
      spans: output.generationSpans?.length ?? 0,
      tail,
    }
    try {
      watch.showing(count, () => {
        // The loop's and its iterator's, for finding the end.
        spendSteps(2)
        goOn(activation, tail)
      })
      this.#found.set(count, fork)
      if (watch.isDrawnFrom) this.#over.add(loop)
    } catch (error) {
      // What is wrong with this beginning its own render says.
      if (error instanceof ForkRefused) this.#over.add(loop)
    } finally {
      registers.length = kept.length
      kept.forEach((value, index) => (registers[index] = value))
      render.position = position
      restoreMeter()
    }
  }

  /** The texts that were found, by their number of items. */
  finish(whole: Output): ReadonlyMap<number, ForkedText> {
    return new Map([...this.#found].map(([count, fork]) => [count, new Joined(whole, fork)]))
  }
}

/** The beginning of one render's text and the end of another's. */
class Joined implements ForkedText {
  readonly #whole: Output
  readonly #fork: Fork

  constructor(whole: Output, fork: Fork) {
    this.#whole = whole
    this.#fork = fork
  }

  get text(): string {
    const { length, tail } = this.#fork
    return this.#whole.builder.value.slice(0, length) + tail.builder.value
  }

  get runs(): readonly Run[] {
    const { length, tail } = this.#fork
    const { runs } = this.#whole.builder
    const own: Run[] = []
    for (const { end, source } of length > 0 ? runs : []) {
      own.push({ end: Math.min(end, length), source })
      if (end >= length) break
    }
    const [next] = tail.builder.runs
    if (next !== undefined && own.at(-1)?.source === next.source) own.pop()
    return [...own, ...tail.builder.runs.map(({ end, source }) => ({ end: end + length, source }))]
  }

  get generationSpans(): readonly TextSpan[] {
    const { length, spans, tail } = this.#fork
    const behind = (tail.generationSpans ?? []).map(({ start, end }) => ({
      start: start + length,
      end: end + length,
    }))
    return [...(this.#whole.generationSpans ?? []).slice(0, spans), ...behind]
  }
}
