// Times the kernels of the native engine that lies beside it: what bench/compilers.ts starts for each build.
import { parseArgs } from 'node:util'
import { kernelRuns } from '../../src/cli/bench/kernel-runs.ts'
import { kernelShape, modelShape } from '../../src/cli/bench/model-shape.ts'
import { Workshop } from '../../src/cli/bench/workshop.ts'
import { createEngine } from '../../src/engine/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'assets/tiny-llama' },
    from: { type: 'string', default: '0' },
    to: { type: 'string', default: 'Infinity' },
  },
})
/** Another guest of the host can only make a slice slower: the shortest of many short ones is the kernel's own time. */
const kernelMs = 600
const leastSlices = 4
const sliceMs = 1

const model = await AutoModelForCausalLM.fromPretrained(values.model, { engine: 'native' })
const config = kernelShape(modelShape(internalsOf(model).state.architecture))
const engine = await createEngine({ engine: 'native' })
for (const prepare of kernelRuns(config).slice(Number(values.from), Number(values.to))) {
  const workshop = new Workshop(engine)
  const { commands, kernel, weights = '', tokens } = prepare(workshop)
  const program = engine.compile(commands, [])
  const passMs = async (): Promise<number> => {
    const begun = performance.now()
    await engine.run(program)
    return performance.now() - begun
  }
  await passMs()
  const passes = Math.ceil(sliceMs / (await passMs()))
  let least = Infinity
  const begun = performance.now()
  for (let slice = 0; slice < leastSlices || performance.now() - begun < kernelMs; slice += 1) {
    let ms = 0
    for (let pass = 0; pass < passes; pass += 1) ms += await passMs()
    least = Math.min(least, ms / passes / commands.length)
  }
  console.log(JSON.stringify({ isa: engine.isa, kernel, weights, tokens, ms: least }))
  workshop.free()
}
engine.close()
