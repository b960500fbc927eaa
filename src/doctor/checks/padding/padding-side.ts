import { join } from 'node:path'
import { isGgufName } from '../../../formats/index.ts'
import type { Check } from '../../check.ts'
import { changeJsonFile } from '../../json-file.ts'

/** Right padding, with which batched generation of other tools continues after the padding. */
export const paddingSide: Check = {
  looksFor: 'a padding side with which batches are generated wrongly',
  examine({ tokenizer: facts, finished }) {
    if (facts === undefined || isGgufName(facts.path)) return []
    const side = facts.config['padding_side']
    // Right is the default; what nobody said is worth a word only about a model that is ready to be used.
    if (side === 'left' || (side === undefined && finished === undefined)) return []
    const file = join(facts.path, 'tokenizer_config.json')
    return [
      {
        severity: 'note',
        place: file,
        found:
          side === undefined ? 'no padding_side, which means right' : `padding_side ${JSON.stringify(side)}`,
        evidence: [],
        why: 'fettle pads on the left to generate, whatever the file says. Transformers pads as it says, and then shorter prompts of a batch continue behind their padding.',
        cure: 'Set padding_side: left for generation; trainers choose their own side.',
        fix: {
          file,
          describe: 'padding_side is left',
          apply: () => changeJsonFile(file, { padding_side: 'left' }),
        },
      },
    ]
  },
}
