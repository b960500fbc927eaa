import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { exportModel } from '../../src/export/index.ts'
import { goTemplate } from '../../src/export/ollama/go-template.ts'
import { unlikeKnown } from '../../src/export/ollama/unlike-known.ts'
import { readGguf } from '../../src/formats/index.ts'
import { AutoTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts'

const tiny = join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama')
const engine = 'reference'

async function withTemplate(source: string): Promise<Tokenizer> {
  const tokenizer = await AutoTokenizer.fromPretrained(tiny)
  tokenizer.chatTemplate = source
  return tokenizer
}

const chatml = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`
const withDefault = `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

describe('Ollama’s template', () => {
  it('puts the texts of ChatML around messages', async () => {
    expect(goTemplate(await withTemplate(chatml))).toBe(
      [
        '{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}',
        '{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n',
        '{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n',
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}{{ if not $last }}<|im_end|>\n{{ end }}{{ end }}',
        '{{ if and $last (ne .Role "assistant") }}<|im_start|>assistant\n{{ end }}{{ end }}',
      ].join(''),
    )
  })

  it('has the system message that the template supposes', async () => {
    expect(goTemplate(await withTemplate(withDefault))).toMatch(
      /^\{\{ if not \.System \}\}<\|im_start\|>system\nBe kind\.<\|im_end\|>\n\{\{ end \}\}\{\{ range/,
    )
  })

  it.each([
    ['calls tools', `${chatml}{% if tools %}{{ tools | tojson }}{% endif %}`],
    ['tells the date', `{{ strftime_now('%d %b %Y') }}${chatml}`],
    ['counts messages', chatml.replace("message['role'] +", "message['role'] + (loop.index | string) +")],
    [
      'refuses a system message',
      `{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}${chatml}`,
    ],
  ])('is none of a template that %s', async (_, source) => {
    expect(goTemplate(await withTemplate(source))).toBeUndefined()
  })
})

test.each([chatml, `\n${chatml}`, `  ${chatml}`])(
  'a template unlike others renders the same',
  async (source) => {
    const messages = [{ role: 'user', content: 'Hello.' }]
    const before = (await withTemplate(source)).applyChatTemplate(messages)
    expect((await withTemplate(unlikeKnown(source))).applyChatTemplate(messages)).toBe(before)
  },
)

test('a folder for ollama create', async () => {
  const output = join(mkdtempSync(join(tmpdir(), 'fettle-ollama-')), 'out')
  const { files } = await exportModel({ model: tiny, format: 'ollama', type: 'q8_0', output, engine })
  const names = ['Modelfile', 'certificate.html', 'certificate.json', 'model.gguf']
  expect(files.map(({ path }) => path)).toEqual(names.map((name) => join(output, name)))
  const text = readFileSync(join(output, 'Modelfile'), 'utf8')
  expect(text).toMatch(/^# ollama create NAME -f Modelfile\nFROM \.\/model\.gguf\nTEMPLATE """/)
  expect(text).toContain('PARAMETER stop "<|im_end|>"\n')
  expect(text).toContain('PARAMETER num_ctx 512\n')
  const { metadata } = readGguf(join(output, 'model.gguf'))
  expect(metadata.get('tokenizer.chat_template')).toBe(
    readFileSync(join(tiny, 'chat_template.jinja'), 'utf8'),
  )
})
