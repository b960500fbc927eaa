// ggml's types of blocks, and the numbers that they stand for: bytes in, numbers out, and back.
// Nothing here reads a file, so that it runs in a browser, too.
// Their names and sizes are ggml's.
export { blockDecoders, type Dequantizer } from './decoders.ts'
export { blockEncoders, type Quantizer } from './encoders.ts'
export { ggufTypeName, ggufTypes, type GgufTypeName } from './types.ts'
