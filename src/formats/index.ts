/**
 * Bytes on disk <-> plain values: safetensors, GGUF, JSON without loss, text and 16-bit floats.
 * Readers stream and check what they read; writers write beside, fsync and rename.
 */
export { writeAtomically, writeFileAtomic, type AtomicFile } from './files/atomic.ts'
export {
  readSafetensorsHeader,
  type SafetensorsDtype,
  type SafetensorsHeader,
  type TensorInfo,
} from './safetensors/safetensors.ts'
export { writeSafetensors, type TensorToWrite } from './safetensors/safetensors-write.ts'
export { readTensorBytes, toFloat32, type ByteRange } from './tensor-bytes.ts'
export { fileBytes, type ByteSource } from './byte-source.ts'
export { openWeightFiles } from './safetensors/weight-files.ts'
export { writeWeightFiles } from './safetensors/weight-files-write.ts'
export type { GgufFile, GgufTensor, GgufValue } from './gguf/gguf.ts'
export { readGguf } from './gguf/gguf-split.ts'
export { ggufPartName, ggufPartOf, isGgufName } from './gguf/gguf-name.ts'
export { ggufTypes, type GgufTypeName } from './blocks/index.ts'
export { ggufByteLength, writeGguf, type GgufEntry, type GgufTensorToWrite } from './gguf/gguf-write.ts'
export { quantize, type WrittenGgufType } from './gguf/gguf-quantize.ts'
export { dequantize, readableGgufTypes, readGgufFloat32 } from './gguf/gguf-dequantize.ts'
export { hasWildcards, matchesGlob } from './glob.ts'
export { isSamePlace, nameInside, resolved } from './files/same-place.ts'
export { crc32, crc32c } from './crc32.ts'
export { listZip, type ZipMember } from './zip.ts'
export { hashFile } from './files/file-hash.ts'
export { makeFolder, refuseDanglingLink, syncFolder } from './files/folder.ts'
export { passingName, passingPath, sweepPassing } from './files/passing-name.ts'
export { leftAt, refuseFull, roomBefore } from './files/free-space.ts'
export { explainUnwritable } from './files/unwritable.ts'
export { movePath, removePath } from './files/moving.ts'
export { parseJson } from './json/index.ts'
export { readJsonRecords } from './json/records.ts'
export type { JsonRecord, RecordOptions } from './json/record.ts'
export { bytesRead, placeOf, readBytes, type ByteInput } from './tables/bytes.ts'
export type { TableSettings } from './tables/csv.ts'
export type { TextUnit } from './tables/text-lines.ts'
export { decodeUtf8, readJsonFile, readTextFile } from './text.ts'
export {
  bytesField,
  bytesHeader,
  bytesOf,
  doubleField,
  floatField,
  integerField,
  intOf,
  joined,
  messageField,
  textField,
} from './protobuf.ts'
