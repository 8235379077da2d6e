// What the files behind varve.h share.
//
// Thread rule: any thread.
#pragma once

#include "core/base/error.h"
#include "core/embed/engine.h"
#include "core/embed/varve.h"

struct varve_engine {
  varve::Engine engine;
};

namespace varve {

// VARVE_OK or VARVE_E_...
int c_code(ErrorCode code);
// The same; the sentence of an error becomes this thread's varve_last_error().
int c_result(const Status& status);
int c_invalid(std::string message);

}  // namespace varve
