import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { AutoModelForCausalLM, AutoTokenizer } from '../src/index.ts'

/*
 * How long an adapter takes that begins by EVA: seconds of the processor, batches of 2 x 512 tokens, and memory.
 */

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    tau: { type: 'string', default: '0.9' },
    r: { type: 'string', default: '8' },
    modules: { type: 'string', default: 'q_proj,v_proj,o_proj' },
    batches: { type: 'string', default: '40' },
    threads: { type: 'string', default: '2' },
    out: { type: 'string', default: 'runs/eva-speed' },
  },
})
const smollm2 = `${values.peers}/smollm2`
const tokenizer = await AutoTokenizer.fromPretrained(smollm2)
const model = await AutoModelForCausalLM.fromPretrained(smollm2, {
  engine: 'native',
  threads: Number(values.threads),
})
const lines = readFileSync(`${values.peers}/docs.jsonl`, 'utf8').trim().split('\n')
const tokens: number[] = []
for (const line of lines) {
  if (tokens.length >= 1024 * Number(values.batches)) break
  const { messages } = JSON.parse(line) as { messages: { role: string; content: string }[] }
  const text = tokenizer.applyChatTemplate(messages)
  const { inputIds } = await tokenizer.encode(text, { addSpecialTokens: false })
  tokens.push(...inputIds)
}
let used = 0
function* batches() {
  for (let first = 0; first + 1024 <= tokens.length; first += 1024) {
    used += 1
    const inputIds = [tokens.slice(first, first + 512), tokens.slice(first + 512, first + 1024)]
    console.error(`batch ${used}, ${spent().toFixed(1)} s`)
    yield { inputIds, labels: inputIds }
  }
}
const before = process.cpuUsage()
function spent(): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
await model.addAdapter(
  {
    r: Number(values.r),
    targetModules: values.modules.split(','),
    initLoraWeights: 'eva',
    evaConfig: {
      rho: 2,
      tau: Number(values.tau),
      useLabelMask: true,
      whiten: false,
      adjustScalingFactors: true,
    },
  },
  { batches: { [Symbol.iterator]: batches } },
)
console.log(
  `EVA of r ${values.r} on SmolLM2, tau ${values.tau}: ${used} batches, ${spent().toFixed(1)} s of the processor, ` +
    `${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
)
await model.saveAdapter(values.out)
