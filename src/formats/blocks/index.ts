// ggml's types of blocks, and the numbers that they stand for: bytes in, numbers out.
// Nothing here reads a file, so that it runs in a browser, too.
// Their names and sizes are ggml's.
export {
  dequantizeQ2K,
  dequantizeQ3K,
  dequantizeQ4K,
  dequantizeQ5K,
  dequantizeQ6K,
  dequantizeQ8K,
} from './kquants.ts'
export {
  dequantizeIq4Nl,
  dequantizeIq4Xs,
  dequantizeMxfp4,
  dequantizeQ4,
  dequantizeQ5,
  dequantizeQ8,
} from './simple-quants.ts'
export { ggufTypeName, ggufTypes, type GgufTypeName } from './types.ts'
