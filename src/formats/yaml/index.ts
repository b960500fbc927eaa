// YAML of which JSON is a part: run files, and blocks that flags hold. Every mistake has its line and column, aliases cannot unfold
// without end, and nothing that a file says is run. A room of its own: what reads no YAML does not load the parser.
export { readYaml, type YamlFile } from './read-yaml.ts'
