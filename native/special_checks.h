// What the kernels of some ops take for granted and the op table has no words for.
#pragma once
#include <string>

#include "runner.h"
#include "sizes.h"

namespace fettle {

// More than any attribute counts; products of two and a factor stay within 64 bits.
constexpr double kMostCount = 1 << 30;

// Throws std::invalid_argument: `linear.vjp: <found>; expected <expected>`.
[[noreturn]] void refuseCommand(const ProgramCommand& command, const std::string& found, const std::string& expected);

// Checks a command whose arguments are as the op table says; sizes are those that its names have there.
void checkSpecially(const ProgramCommand& command, const Sizes& sizes);

}  // namespace fettle
