/**
 * Ollama compares a file's chat template with about twenty that it knows, and where fewer than 100 characters differ (Levenshtein), it takes its
 * own version of that one, with other stop tokens. A comment with hundreds of characters that stand in no template cannot be that near.
 * Source: template/template.go (Named) and server/model.go (detectChatTemplate), https://github.com/ollama/ollama
 *
 * @returns  a template that renders the same texts
 */
export function unlikeKnown(template: string): string {
  // The line break behind a comment is left out with it.
  return `{# ${'⟡'.repeat(distance)} #}\n${template}`
}

/** Characters that no known template has: each is an edit. */
const distance = 200
