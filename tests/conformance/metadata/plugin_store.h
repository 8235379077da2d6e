// A store under test that a metadata plugin keeps in a folder of its own. Every client is a plugin
// instance of its own on one loop.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/cluster/plugin_metadata.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/uring_loop.h"
#include "tests/conformance/metadata/plugin_under_test.h"
#include "tests/conformance/metadata/store_under_test.h"
#include "tests/unit/device/temp_folder.h"

namespace varve {

class PluginStore final : public StoreUnderTest {
 public:
  using BackingMaker = std::function<std::unique_ptr<Backing>(const std::string& folder)>;
  explicit PluginStore(const BackingMaker& make_backing = start_backing);
  ~PluginStore() override;
  Runtime& runtime() override { return loop_->runtime(); }
  void run(Task<void> task) override { loop_->run(std::move(task)); }
  MetadataStore& client(size_t index) override;

  const PluginLibrary& library() const { return *library_; }
  UringLoop& loop() { return *loop_; }
  std::string folder() const { return folder_.file(""); }
  std::vector<ServiceOption> options() const { return options_for(folder()); }
  // Null where the plugin needs nothing.
  Backing* backing() { return backing_.get(); }
  // Why the client cannot start, if it cannot.
  Status start_client(size_t index) { return start_client(index, options()); }
  Status start_client(size_t index, std::span<const ServiceOption> options);
  // Ends the client, with calls under way if it has any; client() starts it again.
  void end_client(size_t index);

 private:
  TempFolder folder_;
  std::unique_ptr<Backing> backing_;
  std::unique_ptr<UringLoop> loop_;
  std::unique_ptr<PluginLibrary> library_;
  std::vector<std::unique_ptr<PluginMetadata>> clients_;
};

}  // namespace varve
