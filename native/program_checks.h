// Whether a program is one that kernels can run without reading or writing outside of its tensors. What the op table says of
// arguments and attributes is checked from its rules (op_rules.h); what it has no words for, in special_checks.h.
#pragma once
#include <vector>

#include "runner.h"

namespace fettle {

// A command's arguments in the order of its call; absent ones are null.
struct CommandTensors {
  std::vector<const ProgramTensor*> inputs, outputs;
};

// Checks a command whose call and attributes are there, and gives it the checks of its integers.
// Throws std::invalid_argument, which says what is wrong.
void checkCommand(ProgramCommand& command, const CommandTensors& tensors);

}  // namespace fettle
