// What the files behind varve.h share.
//
// Thread rule: any thread.
#pragma once

#include <string>

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

inline constexpr const char* kNoEngine = "no engine";
inline constexpr const char* kNoEngineOrDone = "no engine, or no callback";

// `volume` may be null.
void describe(const VolumeInfo& info, varve_volume* volume);

// A request on blocks, from bytes; `why` is empty when they make sense.
struct Blocks {
  VolumeView view;
  BlockRange range;
  std::string why;
};
Blocks blocks_of(varve_volume_id id, uint64_t offset, uint64_t bytes);
// Of a read or write.
Blocks transfer_of(varve_volume_id id, uint64_t offset, const void* data, uint64_t bytes);
// What blocks of an encrypted volume get: kUnsupported.
Task<Status> refuse_encrypted();
Engine::Work reading(const Blocks& blocks, void* data);

// The data path of the store answers with bare codes; these two are the caller's to understand.
Status explained(const Status& status);

// Each request is made once, as work; the blocking form waits for it, the other one hands its
// answer to the callback.
int call(varve_engine* engine, Engine::Work work);
int submit(varve_engine* engine, Engine::Work work, varve_done* done, void* user);

}  // namespace varve
