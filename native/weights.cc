#include "weights.h"

#include <algorithm>
#include <cstring>

#include "conversions.h"

namespace fettle {

char* addBlock(Persistent& entry, size_t bytes, int64_t firstRow) {
  auto memory = std::make_shared<Memory>(bytes, "a tensor");
  entry.blocks.push_back({firstRow, memory->data});
  entry.owners.push_back(memory);
  return memory->data;
}

// Adds a part as rows from `firstRow` on; false where it does not fit bf12.
static bool addPart(Persistent& entry, Pool& pool, const Quantiser& quantiser, const WeightPart& part, int64_t firstRow) {
  const DType dtype = entry.tensor.dtype;
  const NumberRows& numbers = part.numbers;
  const size_t count = size_t(numbers.rows) * numbers.columns, bytes = bytesOfRows(numbers.type, numbers.rows, numbers.columns);
  if (isBlocks(dtype)) {
    const BlockFormat format = formatOf(numbers.type);
    if (part.file) {
      entry.blocks.push_back({firstRow, const_cast<char*>(numbers.data), format});
      entry.owners.push_back(part.file);
      entry.mapped.push_back({numbers.data, bytes});
    } else {
      std::memcpy(addBlock(entry, bytes, firstRow), numbers.data, bytes);
      entry.blocks.back().format = format;
    }
    entry.isReadOnly = true;
    return true;
  }
  if (isQuantised(dtype)) {
    char* to = addBlock(entry, QuantisedLayout(dtype, numbers.columns).bytes(numbers.rows), firstRow);
    if (!quantiser.quantise(pool, dtype, numbers, to)) return false;
  } else if (part.file && numbers.type == int(dtype)) {
    entry.blocks.push_back({firstRow, const_cast<char*>(numbers.data)});
    entry.owners.push_back(part.file);
    entry.mapped.push_back({numbers.data, bytes});
    entry.isReadOnly = true;
    return true;
  } else {
    convert(dtype, addBlock(entry, count * bytesOf(dtype), firstRow), numbers.type, numbers.data, count);
  }
  if (part.file) MappedFile::forget(numbers.data, bytes);
  return true;
}

std::vector<WeightPart> partsOf(const Persistent& matrix) {
  constexpr int64_t kRows = 4096;  // whole groups of a quantised matrix
  const Tensor& tensor = matrix.tensor;
  const int64_t rowBytes = tensor.cols() * int64_t(bytesOf(tensor.dtype));
  std::vector<WeightPart> parts;
  for (int b = 0; b < tensor.blockCount; b++) {
    const RowBlock& block = tensor.blocks[b];
    const int64_t rows = (b + 1 < tensor.blockCount ? (&block)[1].firstRow : tensor.rows()) - block.firstRow;
    const bool inFile = std::any_of(matrix.mapped.begin(), matrix.mapped.end(),
                                    [&](const Persistent::Stretch& stretch) { return stretch.from == block.data; });
    for (int64_t row = 0; row < rows; row += kRows)
      parts.push_back({{static_cast<const char*>(block.data) + row * rowBytes, int(tensor.dtype), std::min(kRows, rows - row), tensor.cols()},
                       inFile ? matrix.owners[size_t(b)] : nullptr});
  }
  return parts;
}

std::shared_ptr<Persistent> makeWeight(Pool& pool, const Quantiser& quantiser, DType dtype, const std::vector<WeightPart>& parts) {
  auto entry = std::make_shared<Persistent>();
  Tensor& tensor = entry->tensor;
  tensor.dtype = dtype;
  tensor.rank = 2;
  tensor.shape[1] = parts.empty() ? 0 : parts[0].numbers.columns;
  for (const WeightPart& part : parts) {
    if (!addPart(*entry, pool, quantiser, part, tensor.shape[0])) return makeWeight(pool, quantiser, DType::bf16, parts);
    tensor.shape[0] += part.numbers.rows;
  }
  return entry;
}

}  // namespace fettle
