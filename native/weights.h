// Frozen weights, made of rows in files and in memory.
#pragma once
#include "runner.h"

namespace fettle {

// Adds one block of zeroed memory that starts at row `firstRow`. Throws OutOfMemory.
char* addBlock(Persistent& entry, size_t bytes, int64_t firstRow);

struct WeightPart {
  NumberRows numbers;
  std::shared_ptr<void> file;  // that the numbers are mapped from; null: they are in memory, for the time of a call
};

// A matrix that is there, in parts so small that few of its file's pages are mapped at a time while it is copied.
std::vector<WeightPart> partsOf(const Persistent& matrix);

// A matrix of all parts, one below the other. Numbers of a file that have its type already stay there; all others are copied, and
// their file's pages let go of. In bf12, parts that have too many exceptions for it make a matrix of bf16.
std::shared_ptr<Persistent> makeWeight(Pool& pool, const Quantiser& quantiser, DType dtype, const std::vector<WeightPart>& parts);

}  // namespace fettle
