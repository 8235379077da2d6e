// What an implementation of MetadataStore must provide to be put to the tests of this folder: link
// them together with one make_store_under_test().
//
// Thread rule: one thread.
#pragma once

#include <cstddef>
#include <memory>

#include "core/cluster/metadata_store.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"

namespace varve {

// One empty store and its clients, which are as far from each other as the implementation allows.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Runtime& runtime() = 0;
  // Runs until the task has ended.
  virtual void run(Task<void> task) = 0;
  // 0, 1, ...: made when first asked for, there until the end.
  virtual MetadataStore& client(size_t index) = 0;
};

std::unique_ptr<StoreUnderTest> make_store_under_test();

}  // namespace varve
