#include "tests/conformance/metadata/plugin_store.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {

std::unique_ptr<StoreUnderTest> make_store_under_test() {
  return std::make_unique<PluginStore>();
}

PluginStore::PluginStore() {
  auto loop = UringLoop::create();
  REQUIRE(loop.ok());
  loop_ = std::move(*loop);
  auto library = PluginLibrary::open(plugin_under_test());
  INFO(library.status().message());
  REQUIRE(library.ok());
  library_ = std::move(*library);
}

PluginStore::~PluginStore() {
  for (size_t i = 0; i < clients_.size(); ++i) remove_client(i);
}

Status PluginStore::add_client() {
  const std::vector<ServiceOption> options = options_for(folder_.file(""));
  auto started = PluginMetadata::start(loop_->runtime(), *library_, options);
  if (!started.ok()) return started.status();
  clients_.push_back(std::move(*started));
  loop_->add_poller(*clients_.back());
  return {};
}

MetadataStore& PluginStore::client(size_t index) {
  while (clients_.size() <= index) {
    const Status status = add_client();
    INFO(status.message());
    REQUIRE(status.ok());
  }
  return *clients_[index];
}

void PluginStore::remove_client(size_t index) {
  if (clients_[index] == nullptr) return;
  loop_->run(clients_[index]->close());
  loop_->remove_poller(*clients_[index]);
  clients_[index].reset();
}

}  // namespace varve
