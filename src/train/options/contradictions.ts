import type { Problem } from '../../error.ts'
import type { DataSource } from '../../data/index.ts'
import { locate, type Part } from './option-errors.ts'

/** What of the options of a run may contradict each other. */
interface Contradictory {
  data?: readonly DataSource[] | undefined
  evalData?: readonly DataSource[] | null | undefined
  valSize?: number | undefined
  stoppingStrategy?: string | undefined
}

/**
 * Options that are right by themselves and not beside each other.
 *
 * @param parts  the layers they come from
 */
export function contradictions(
  { data = [], evalData, valSize, stoppingStrategy }: Contradictory,
  parts: readonly Part[],
): Problem[] {
  const problems: Problem[] = []
  const at = (name: string) => {
    const { place, spell } = locate([name], parts)
    return { place, name: spell(name), spell }
  }
  if (evalData !== undefined && evalData !== null && valSize !== undefined) {
    const { place, name, spell } = at('valSize')
    problems.push({
      place,
      found: `${name} beside ${spell('evalData')}`,
      expected: 'one of them: rows that are held out of the data, or rows of their own',
    })
  }
  const weighted = data.filter(({ weight }) => weight !== undefined)
  if (weighted.length > 0 && weighted.length < data.length) {
    const { place } = at('data')
    problems.push({
      place,
      found: `${weighted.length} of ${data.length} sources with a weight`,
      expected: 'a weight on every source, or on none',
    })
  }
  if (stoppingStrategy !== undefined && weighted.length === 0) {
    const { place, name } = at('stoppingStrategy')
    problems.push({
      place,
      found: `${name}, and no source with a weight`,
      expected: 'a weight on every source: without weights they are read one after the other',
    })
  }
  return problems
}
