/** What weights of a GGUF file can be stored in, as `--type` names it. */
export const ggufFileTypes = ['f16', 'f32', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const

export type GgufFileType = (typeof ggufFileTypes)[number]

/** llama.cpp's number for the mixture of types of a file, `general.file_type`; q4_k is what it calls Q4_K_M. */
export const fileTypeNumbers: { readonly [K in GgufFileType]: number } = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q8_0: 7,
  q4_k: 15,
  q6_k: 18,
  bf16: 32,
}

/** The number of files whose experts are in MXFP4, whatever the rest is in. */
export const mxfp4FileType = 38

/** What an adapter of a GGUF file can be stored in, the default first. */
export const adapterFileTypes = ['f32', 'f16', 'bf16', 'q8_0'] as const
