import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeProblem, FettleError } from '../../src/error.ts'
import {
  AutoModelForCausalLM,
  describeModel,
  linearParameters,
  parametersOf,
  vocabularyOf,
} from '../../src/model/index.ts'
import type { Architecture } from '../../src/model/index.ts'
import { maxDifference, readTensors } from './golden.ts'

// What transformers 5.24 makes of config.json with each key left out, null or odd: test/fixtures/configs/record.py.
const folder = join(import.meta.dirname, '..', 'fixtures', 'configs')

interface Case {
  what: string
  /** Keys of the family's config with another value, and those that are gone. */
  change: Record<string, unknown>
  gone?: string[]
  /** What the class makes of it, unless it refuses it. */
  config?: Record<string, unknown>
  /** Why transformers refuses it, or cannot compute with it. */
  refused?: string
  /** Whether the weights have these shapes and layers. */
  fits?: boolean
  finite?: boolean
  /** Tensors that it does not read. */
  unread?: string[]
}

interface Recorded {
  input_ids: number[]
  config: Record<string, unknown>
  cases: Case[]
}

const families = readdirSync(folder).flatMap((name) => /^(\w+)\.json$/.exec(name)?.[1] ?? [])

/** What transformers takes and fettle does not: it says so instead of computing something else. */
const refusedHere =
  /^hidden_act relu|^hidden_activation "relu"|^use_bidirectional_attention true|^logits_scaling 0|^rope by layer type|^is_causal false|^num_hidden_layers (0|-3)|^max_position_embeddings 0|^sliding_window 0|^per_layer_config|^num_experts_per_tok 0/

/** Of these nothing reads the key: Gemma's is `hidden_activation`, Gemma 3 and OLMo 3 have a rotation for each type, LFM2 one activation. */
const unreadHere: Record<string, RegExp> = {
  gemma2: /^hidden_act /,
  gemma3_text: /^hidden_act |^rope_type |^rope by layer type/,
  olmo3: /^rope_type |^rope by layer type/,
  lfm2: /^hidden_act |^sliding_window /,
  qwen3_5_text: /^sliding_window /,
}

/** What Python's types refuse, and what changes nothing that fettle computes; and Phi-3's first name of longrope. */
const acceptedHere =
  /^null (attention_dropout|resid_pdrop|embd_pdrop|residual_dropout|embedding_dropout|router_jitter_noise|initializer_range|use_cache|pad_token_id)$|^without pad_token_id$|called su$/

/** JSON in JavaScript has one kind of number: these are 2 and 0.0. */
const sameHere = /^num_hidden_layers 2\.0$|^rms_norm_eps 0$|^router_aux_loss_coef 0$/

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-configs-'))
})
afterAll(() => rm(scratch, { recursive: true }))

/** The numbers that an architecture was built from, by transformers' names. */
function shapeOf(architecture: Architecture): Record<string, unknown> {
  const [attention] = architecture.layers.flat().flatMap((block) => block.attention ?? [])
  const experts = parametersOf(architecture).find((parameter) => parameter.experts)?.experts
  return {
    vocab_size: vocabularyOf(architecture),
    hidden_size: architecture.width,
    // What MLPs have beside experts is called alike, and has another width.
    ...(experts
      ? { experts: experts.count }
      : {
          intermediate_size: linearParameters(architecture).find(({ key }) =>
            /down_proj|\.w2\.|mlp\.c_proj/.test(key),
          )?.columns,
        }),
    num_hidden_layers: architecture.layers.length,
    num_attention_heads: attention.queryHeads,
    num_key_value_heads: attention.keyHeads,
    head_dim: attention.headDim,
    max_position_embeddings: architecture.maxPositions,
    tie_word_embeddings: architecture.isTied,
  }
}

describe.each(families)('%s', async (family) => {
  const recorded = JSON.parse(readFileSync(join(folder, `${family}.json`), 'utf8')) as Recorded
  const golden = await readTensors(join(folder, `${family}.logits.safetensors`))
  const numbered = recorded.cases.map((each, number) => ({ ...each, number }))
  const cases = numbered.filter((each) => !sameHere.test(each.what))

  function configOf({ change, gone = [] }: Case): Record<string, unknown> {
    const config = { ...recorded.config, ...change }
    for (const key of gone) delete config[key]
    return config
  }

  async function load(each: Case): Promise<AutoModelForCausalLM> {
    const place = join(scratch, 'model')
    await rm(place, { recursive: true, force: true })
    await mkdir(place)
    await writeFile(join(place, 'config.json'), JSON.stringify(configOf(each)))
    await symlink(join(folder, `${family}.safetensors`), join(place, 'model.safetensors'))
    return AutoModelForCausalLM.fromPretrained(place, { dtype: 'float32', engine: 'reference' })
  }

  const isRefused = ({ what, refused, fits }: Case) =>
    !acceptedHere.test(what) &&
    // The class has an activation of its own.
    !(family === 'gpt_oss' && what.includes('hidden_act')) &&
    (refused !== undefined ||
      fits === false ||
      (family === 'qwen3_5_text' && what === 'hidden_act gelu') ||
      (refusedHere.test(what) && unreadHere[family]?.test(what) !== true))

  it.each(cases.filter(isRefused))('refuses it $what', async (each) => {
    const error = await load(each).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error, each.refused).toBeInstanceOf(FettleError)
    expect((error as FettleError).message.length).toBeLessThan(1500)
  })

  it.each(cases.filter((each) => each.what.startsWith('without ') && each.config))(
    'has the defaults of the class $what',
    async (each) => {
      let shape: Record<string, unknown>
      try {
        shape = shapeOf((await describeModel(configOf(each), 'config.json')).architecture)
      } catch (error) {
        // Heads that no width can have, or what the class reads, and cannot compute.
        expect(each.refused !== undefined || each.fits === false).toBe(true)
        expect(error).toBeInstanceOf(FettleError)
        return
      }
      // LFM2's file does not say the width itself.
      if (family === 'lfm2') delete shape['intermediate_size']
      expect(each.config).toMatchObject(shape)
    },
  )

  it.each(cases.filter((each) => !isRefused(each)))('computes as transformers $what', async (each) => {
    const model = await load(each)
    const { logits } = await model.forward({ inputIds: [recorded.input_ids] })
    // What Python's types refuse changes nothing; longrope has several names.
    const twin = cases.find(({ what }) => what === each.what.replace(/called su$/, 'called yarn'))
    const same = twin === undefined || twin === each ? cases[0] : twin
    const { number, config } = each.refused === undefined ? each : same
    const expected = await golden.floats(String(number))
    expect(maxDifference(logits.data.slice(-expected.length), expected)).toBeLessThan(2e-4)
    const { bosTokenId, eosTokenIds } = model.generationConfig
    expect([bosTokenId ?? null, eosTokenIds]).toEqual([
      config?.['bos_token_id'],
      [config?.['eos_token_id'] ?? []].flat(),
    ])
    expect(model.maxPositions).toBe(config?.['max_position_embeddings'])
    const unread = model.notices.map(describeProblem).find((text) => text.includes('tensor')) ?? ''
    expect(unread === '').toBe(each.unread === undefined)
    // Of experts Transformers has made one tensor by then, and fettle shows the first of many.
    const shown = (name: string) =>
      /experts/.test(unread) ? name.replace(/(\.layers\.\d+\.).*/, '$1') : name
    for (const name of each.unread?.slice(0, 3) ?? []) expect(unread).toContain(shown(name))
    await model.free()
  })
})
