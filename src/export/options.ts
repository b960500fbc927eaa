import type { LoadOptions } from '../model/index.ts'
import type { ExportProgress } from './format.ts'
import type { ExportFormatName } from './formats.ts'

/** What is exported, and to what. */
export interface ExportOptions extends Pick<
  LoadOptions,
  'quantization' | 'doubleQuantization' | 'engine' | 'threads'
> {
  /** Hugging Face folder or .gguf file. */
  model: string
  /** Folder of an adapter, which goes into the weights. */
  adapter?: string | undefined
  format: ExportFormatName
  /** What weights are stored in, or several of an ONNX export; default the first of the format's. */
  type?: string | readonly string[] | undefined
  /** File or folder. */
  output: string
  /** Whether a file may be replaced, or a folder have files in it; default not. */
  overwrite?: boolean | undefined
  /** Above so many bytes weights go to several files; default 5 · 10⁹, of GGUF files none. */
  maxShardBytes?: number | undefined
  /**
   * Files of rows that the exported form and the live model are both asked, for the certificate; default the evaluation rows of the run
   * that wrote the adapter, or the model. Without any it has hashes only.
   */
  evalData?: string | readonly string[] | undefined
  /** How many of the rows; default 8, 0: none. */
  certificateRows?: number | undefined
  /** The largest mean divergence from the live model that passes, in nats; default by the type, see `boundOf`. */
  certificateBound?: number | undefined
  /** The Python that llama-cpp-python or mlx-lm is looked for in; default python3, on Windows python, else py. */
  python?: string | undefined
  /** Ends the export; nothing is left of it. */
  signal?: AbortSignal | undefined
  /** Is told how far it is, tensor by tensor. */
  onProgress?: ((progress: ExportProgress) => void) | undefined
}
