import { join } from 'node:path'
import { isGgufName } from '../../../formats/index.ts'
import { AutoTokenizer, ensurePadToken } from '../../../tokenizer/index.ts'
import type { Fix } from '../../diagnosis.ts'
import { changeJsonFile } from '../../json-file.ts'
import { embeddingOf } from '../../model-files.ts'
import type { Patient } from '../../patient.ts'

/** A pad token that the tokenizer has already, other than eos; undefined when only a new one would do. */
export async function padFix({ tokenizer: facts, model }: Patient): Promise<Fix | undefined> {
  if (facts === undefined || isGgufName(facts.path)) return undefined
  // Tried on a copy: the policy sets the token on the tokenizer that it is given.
  const copy = await AutoTokenizer.fromPretrained(facts.path)
  const rows = model === undefined ? copy.length : embeddingOf(model)?.rows
  for (const policy of ['reserved', 'unk'] as const) {
    try {
      const { token, id, newRows } = ensurePadToken(copy, policy, rows)
      if (newRows > 0 || token === facts.tokenizer.eosToken) continue
      const file = join(facts.path, 'tokenizer_config.json')
      return {
        file,
        describe: `pad_token is ${token} (${id})`,
        apply: () => changeJsonFile(file, { pad_token: token }),
      }
    } catch {
      // No such token: the next policy may find one.
    }
  }
  return undefined
}
