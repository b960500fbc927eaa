import { readYaml } from '../../formats/yaml/index.ts'
import type { OptionLayer } from './option-layer.ts'
import { yamlLayer } from './read-options.ts'

/**
 * A run file: YAML, of which JSON is a part. A file of its own, since the reader of YAML is large and few programs need it.
 *
 * @throws FettleError with the line, when it is not YAML or not a mapping
 */
export function runFileLayer(text: string, path: string): OptionLayer {
  return yamlLayer(readYaml(text, path), path)
}
