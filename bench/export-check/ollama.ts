import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { goTemplate } from '../../src/export/ollama/go-template.ts'
import { unlikeKnown } from '../../src/export/ollama/unlike-known.ts'
import { AutoTokenizer } from '../../src/index.ts'

/** Ollama's newest release that Go's module proxy has. */
const release = 'v0.17.4'

export interface OllamaCompared {
  template: string
  /** What Ollama would take for the template as it is, and for what an export has in its place. */
  named: string | null
  namedOfExport: string | null
  /** Whether the TEMPLATE of a Modelfile renders what the chat template renders; undefined: the export has none. */
  isEqual?: boolean
  error?: string
}

interface OllamaAnswer {
  named: string | null
  stops: string[]
  texts: string[]
  error?: string
}

const path = (...parts: string[]) => join('test', 'fixtures', 'chat-templates', ...parts)

/** Compiles Ollama's parser and templates, with Go's own client, into a folder. */
function buildOllama(folder: string): string {
  const program = join(folder, 'ollama-check')
  mkdirSync(folder, { recursive: true })
  copyFileSync(join('bench', 'export-check', 'ollama', 'main.go'), join(folder, 'main.go'))
  if (existsSync(program)) return program
  const go = (...args: string[]) =>
    execFileSync('go', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  if (!existsSync(join(folder, 'go.mod'))) go('mod', 'init', 'check')
  go('get', `github.com/ollama/ollama@${release}`)
  go('build', '-mod=mod', '-p', '1', '-o', 'ollama-check', '.')
  return program
}

/** Chat templates of published models: what Ollama makes of them. */
export async function compareOllama(folder: string): Promise<OllamaCompared[]> {
  const program = buildOllama(folder)
  const tokenizer = await AutoTokenizer.fromPretrained(join('assets', 'tiny-llama'))
  const all = JSON.parse(readFileSync(path('conversations.json'), 'utf8')) as Record<
    string,
    { messages: { role: string; content: unknown }[] }
  >
  const conversations = Object.values(all)
    .map(({ messages }) => messages)
    .filter(
      (messages) =>
        messages.every(({ role, content }) => typeof content === 'string' && role !== 'tool') &&
        messages.at(-1)?.role === 'user',
    )
  const names = readdirSync(path('templates'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.jinja'),
  )
  const questions = names.toSorted().map((name) => {
    const source = readFileSync(path('templates', name), 'utf8')
    tokenizer.chatTemplate = source
    const template = goTemplate(tokenizer)
    const expected =
      template === undefined ? [] : conversations.map((messages) => rendered(tokenizer, messages))
    return { name, source, template, expected }
  })
  const asked = questions.flatMap(({ source, template }) => [
    {
      chatTemplate: source,
      modelfile: template === undefined ? '' : `FROM ./model.gguf\nTEMPLATE """${template}"""\n`,
      conversations,
    },
    { chatTemplate: unlikeKnown(source), modelfile: '', conversations: [] },
  ])
  const { stdout } = spawnSync(program, {
    input: asked.map((each) => JSON.stringify(each)).join('\n'),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as OllamaAnswer)
  return questions.map(({ name, template, expected }, i) => {
    const [own, exported] = [answers[2 * i], answers[2 * i + 1]]
    return {
      template: name,
      named: own.named,
      namedOfExport: exported.named,
      ...(template !== undefined && { isEqual: own.texts.join('\0') === expected.join('\0') }),
      ...(own.error !== undefined && { error: own.error }),
    }
  })
}

function rendered(
  tokenizer: Awaited<ReturnType<typeof AutoTokenizer.fromPretrained>>,
  messages: { role: string; content: unknown }[],
): string {
  try {
    return tokenizer.applyChatTemplate(messages as Parameters<typeof tokenizer.applyChatTemplate>[0], {
      addGenerationPrompt: true,
    })
  } catch {
    return ''
  }
}
