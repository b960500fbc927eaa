import type { Certificate, CertifiedForm, HashedFile } from './certificate.ts'
import type { RowsFrom } from './certificate-rows.ts'
import type { ComparedRow } from './compare-rows.ts'
import { plural } from '../../plural.ts'

/** A certificate for people: one page without scripts, readable offline. */
export function certificatePage(certificate: Certificate): string {
  const { format, verdict, note, fettle, created, base, adapter, tokenizer, template, files, forms } =
    certificate
  const hashes: [string, readonly HashedFile[]][] = [
    ['Base', base.files],
    ['Adapter', adapter?.files ?? []],
    ['Tokenizer', tokenizer ? [tokenizer] : []],
    ['Exported', files],
  ]
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Certificate: ${escaped(format)}, ${verdict}</title>
<style>${style}</style>
<h1>Export as ${escaped(format)}: <span class="${verdict.replace(' ', '-')}">${verdict}</span></h1>
<p>${note === undefined ? `What the exported form says to ${rowNames[certificate.rows_from ?? 'files']}, beside the live model with its adapter in float32.` : escaped(note)}
Made by fettle ${escaped(fettle)}, ${escaped(created)}.</p>
${forms.map(formSection).join('\n')}
<h2>What it is made of</h2>
<table><tr><th>Part<th>File<th>Bytes<th>SHA-256</tr>
${hashes.flatMap(([part, all]) => all.map((file) => hashRow(part, file))).join('\n')}
${template ? `<tr><td>Template<td><td><td><code>${template.sha256}</code></tr>` : ''}
</table>
</html>
`
}

/** Whose rows were asked. */
const rowNames: { readonly [From in RowsFrom]: string } = {
  files: 'rows of the files that were named',
  eval_data: 'the evaluation rows of its run',
  val_size: 'rows that its run held out',
  'validation split': 'the validation split of its run',
  'training data': 'rows that its run learned, which held none out',
}

function formSection(form: CertifiedForm): string {
  const { path, type, runtime, note, rows, kl, agreement, bound, verdict, problems } = form
  const { same_answers: same, same_prompts: prompts } = form
  const by = runtime === null ? 'nothing here runs it' : `${runtime.name} ${runtime.version}`
  const isReadBack = runtime !== null && !runtime.isTarget
  const numbers =
    kl === null
      ? ''
      : `<p>Mean divergence ${kl.toExponential(2)} nats (bound ${bound}), likeliest token equal at ${((agreement ?? 0) * 100).toFixed(1)}% of places; ${prompts} of ${plural(rows.length, 'prompt')} and ${same} answers equal.</p>`
  return `<h2>${escaped(type)}: <span class="${verdict.replace(' ', '-')}">${verdict}</span></h2>
<p><code>${escaped(path)}</code>, by ${escaped(by)}${isReadBack ? ': fettle read the files back, this is not the runtime that they are for' : ''}. ${escaped(note ?? '')}</p>
${problems.map(({ found, expected }) => `<p class="failed">Found ${escaped(found)}; expected ${escaped(expected)}.</p>`).join('\n')}
${numbers}
${rows.map(rowSection).join('\n')}`
}

function rowSection(row: ComparedRow): string {
  const {
    origin,
    prompt,
    prompt_ids: ids,
    first_logits: first,
    live,
    exported,
    exported_prompt: otherPrompt,
    exported_prompt_ids: otherIds,
    kl,
    same_answer: isSame,
  } = row
  const answer = (name: string, { text, ids: own, stop }: ComparedRow['live']) =>
    `<tr><th>${name}<td><pre>${escaped(text)}</pre><td>${plural(own.length, 'token')}, ${stop === 'stop' ? 'stops' : 'goes on'}</tr>`
  return `<details${isSame ? '' : ' open'}><summary>${escaped(origin)}: ${isSame ? 'equal' : 'other'}, divergence ${kl.toExponential(2)}</summary>
<pre>${escaped(prompt)}</pre>
<p class="ids">${ids.join(' ')}</p>
${otherPrompt === undefined ? '' : `<p class="failed">The exported form makes of the row:</p><pre>${escaped(otherPrompt)}</pre><p class="ids">${(otherIds ?? []).join(' ')}</p>`}
<table>${answer('Live', live)}${answer('Exported', exported)}</table>
<table><tr><th>First token<th>Live<th>Exported</tr>
${first.map(({ id, token, live: a, exported: b }) => `<tr><td><code>${escaped(token)}</code> ${id}<td>${a.toFixed(4)}<td>${b.toFixed(4)}</tr>`).join('\n')}
</table></details>`
}

function hashRow(part: string, { path, bytes, sha256 }: HashedFile): string {
  return `<tr><td>${part}<td>${escaped(path)}<td>${bytes}<td><code>${sha256}</code></tr>`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** Text that came from models and files, as it is to be seen: control and bidirectional characters too. */
function escaped(text: string): string {
  return text
    .replace(/[&<>"]/g, (character) => entities[character] ?? character)
    .replace(
      /(?![\t\n])[\p{Cc}\p{Bidi_Control}]/gu,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
}

const style = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
pre { white-space: pre-wrap; margin: 0; font-size: 0.9em; }
table { border-collapse: collapse; margin: 0.5rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 0.8rem 0.2rem 0; overflow-wrap: anywhere; }
details { margin: 0.5rem 0; padding-left: 1rem; border-left: 3px solid #8886; }
.ids { color: #888; font-size: 0.85em; overflow-wrap: anywhere; }
.passed { color: #1a7f37; } .failed { color: #cf222e; } .not-measured { color: #9a6700; }
`
