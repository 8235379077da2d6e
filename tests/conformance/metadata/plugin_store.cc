#include "tests/conformance/metadata/plugin_store.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {

std::unique_ptr<StoreUnderTest> make_store_under_test() {
  return std::make_unique<PluginStore>();
}

PluginStore::PluginStore(const BackingMaker& make_backing) {
  auto loop = UringLoop::create();
  REQUIRE(loop.ok());
  loop_ = std::move(*loop);
  auto library = PluginLibrary::open(VARVE_PLUGIN_UNDER_TEST);
  INFO(library.status().message());
  REQUIRE(library.ok());
  library_ = std::move(*library);
  backing_ = make_backing(folder());
}

PluginStore::~PluginStore() {
  for (size_t i = 0; i < clients_.size(); ++i) end_client(i);
}

Status PluginStore::start_client(size_t index, std::span<const ServiceOption> options) {
  auto started = PluginMetadata::start(loop_->runtime(), *library_, options);
  if (!started.ok()) return started.status();
  if (clients_.size() <= index) clients_.resize(index + 1);
  clients_[index] = std::move(*started);
  loop_->add_poller(*clients_[index]);
  return {};
}

MetadataStore& PluginStore::client(size_t index) {
  if (index >= clients_.size() || clients_[index] == nullptr) {
    const Status status = start_client(index);
    INFO(status.message());
    REQUIRE(status.ok());
  }
  return *clients_[index];
}

void PluginStore::end_client(size_t index) {
  if (index >= clients_.size() || clients_[index] == nullptr) return;
  loop_->run(clients_[index]->close());
  loop_->remove_poller(*clients_[index]);
  clients_[index].reset();
}

}  // namespace varve
