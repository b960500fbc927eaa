import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { createEngine, engineNames, engineProblem } from '../../src/engine/index.ts'

it('makes the first engine that can run here', async () => {
  const problems = await Promise.all(engineNames.map(engineProblem))
  const engine = await createEngine({ threads: 1 })
  expect(engine.name).toBe(engineNames[problems.indexOf(undefined)])
  expect(engine.threads).toBe(1)
  engine.close()
})

it.each(engineNames)('%s: is made, or says why not and what to do', async (name) => {
  const problem = await engineProblem(name)
  const made = createEngine({ engine: name })
  if (problem === undefined) expect((await made).name).toBe(name)
  else await expect(made).rejects.toThrow(`engine ${name}: ${problem}`)
})

it('refuses a name that is none', async () => {
  await expect(createEngine({ engine: 'cuda' as 'native' })).rejects.toThrow(
    `engine: cuda; expected ${engineNames.join(' or ')}`,
  )
})

it('reaches nothing of Node from the reference engine', () => {
  const src = join(import.meta.dirname, '..', '..', 'src')
  const folder = join(src, 'engine', 'reference')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
  // A file that is found while the list is walked is walked, too.
  for (const file of files)
    for (const [, type, path] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export)( type)? [^']*from '([^']+)'/gm,
    )) {
      if (type !== undefined) continue
      expect(path, file).toMatch(/^\.\.?\//)
      const imported = join(dirname(file), path)
      if (!files.includes(imported)) files.push(imported)
    }
  expect(files.length).toBeGreaterThan(20)
  const ofNode = files.filter((file) => /\bprocess\.|\bBuffer\b|'node:/.test(readFileSync(file, 'utf8')))
  expect(ofNode).toEqual([])
})
