// Frozen weights, made of rows in files and in memory.
#pragma once
#include "blocks.h"
#include "runner.h"

namespace fettle {

// Adds one block of zeroed memory that starts at row `firstRow`. Throws OutOfMemory.
char* addBlock(Persistent& entry, size_t bytes, int64_t firstRow);

// Types of a part: those of NumberRows, and after them the formats of blocks.
constexpr int kNumberTypes = 3;
inline BlockFormat formatOf(int type) { return BlockFormat(type - kNumberTypes + 1); }
inline size_t bytesOfRows(int type, int64_t rows, int64_t columns) {
  return type < kNumberTypes ? size_t(rows) * size_t(columns) * (type == 0 ? 4 : 2) : size_t(rows) * size_t(rowBytesOf(formatOf(type), columns));
}

struct WeightPart {
  NumberRows numbers;
  std::shared_ptr<void> file;  // that the numbers are mapped from; null: they are in memory, for the time of a call
};

// A matrix that is there, in parts so small that few of its file's pages are mapped at a time while it is copied.
std::vector<WeightPart> partsOf(const Persistent& matrix);

// A matrix of all parts, one below the other. Blocks stay as they are, and have no other type beside them. Numbers of a file that have its type already stay there; all others are copied, and
// their file's pages let go of. In bf12, parts that have too many exceptions for it make a matrix of bf16.
std::shared_ptr<Persistent> makeWeight(Pool& pool, const Quantiser& quantiser, DType dtype, const std::vector<WeightPart>& parts);

}  // namespace fettle
