// What was thrown last: see exceptions.cc.
#pragma once

namespace fettle {

extern char lastFailure[512];

}  // namespace fettle
