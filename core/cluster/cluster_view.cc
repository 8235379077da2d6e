#include "core/cluster/cluster_view.h"

#include <algorithm>

namespace varve {
namespace {

constexpr uint64_t kPauseNs = 100 * kMillisecond;

}  // namespace

ClusterView::ClusterView(Runtime& runtime, MetadataStore& store)
    : runtime_(runtime),
      store_(store),
      changes_(runtime.ready),
      stopping_(runtime.ready),
      tasks_(runtime.ready) {}

ClusterView::~ClusterView() {
  for (const ViewPart* part : parts_) VARVE_CHECK(part->watch == 0);
}

Task<Status> ClusterView::start(uint64_t deadline_ns) {
  for (ViewPart* part : parts_) {
    if (part->watch != 0) continue;
    const Status loaded = co_await load(part, deadline_ns);
    if (!loaded.ok()) co_return loaded;
    begin_watch(part);
  }
  co_return Status();
}

Task<void> ClusterView::stop() {
  is_stopping_ = true;
  for (ViewPart* part : parts_) {
    if (part->watch != 0) store_.unwatch(part->watch);
    part->watch = 0;
  }
  stopping_.wake_all();
  changes_.wake_all();
  co_await tasks_.done();
}

const Versioned<ClusterVolume>* ClusterView::volume(std::string_view name) const {
  const auto found = volume_names_.find(name);
  return found == volume_names_.end() ? nullptr : volumes_.find(found->second);
}

std::map<std::string, std::string> ClusterView::unreadable() const {
  std::map<std::string, std::string> all;
  for (const ViewPart* part : parts_) {
    all.insert(part->unreadable().begin(), part->unreadable().end());
  }
  return all;
}

Task<bool> ClusterView::changed_since(uint64_t version) {
  while (version_ == version && !is_stopping_) co_await changes_.wait();
  co_return !is_stopping_;
}

void ClusterView::begin_watch(ViewPart* part) {
  part->watch = store_.watch(part->prefix(), part->range_revision(),
                             [this, part](const MetadataNews& news) { changed(part, news); });
}

void ClusterView::changed(ViewPart* part, const MetadataNews& news) {
  if (is_stopping_) return;
  if (part->apply(news)) tell(part);
  if (!news.missed) return;
  part->load_again = true;
  if (!std::exchange(part->is_loading, true)) tasks_.start(load_missed(part));
}

Task<void> ClusterView::load_missed(ViewPart* part) {
  while (!is_stopping_ && std::exchange(part->load_again, false)) {
    // Only stop() ends it without success.
    (void)co_await load(part, kNever);
  }
  part->is_loading = false;
}

Task<Status> ClusterView::load(ViewPart* part, uint64_t deadline_ns) {
  while (!is_stopping_) {
    const Result<MetadataRange> range = co_await store_.range(part->prefix());
    if (is_stopping_) break;
    if (range.ok() && part->replace(*range)) {
      tell(part);
      co_return Status();
    }
    const uint64_t now_ns = runtime_.clock.monotonic_ns();
    if (now_ns >= deadline_ns) {
      if (!range.ok()) co_return range.status();
      co_return Status(ErrorCode::kUnavailable, "the metadata store answers with old values only");
    }
    co_await stopping_.wait_until(runtime_.timers, std::min(now_ns + kPauseNs, deadline_ns));
  }
  co_return ErrorCode::kClosed;
}

void ClusterView::tell(const ViewPart* part) {
  if (part == &volumes_) {
    volume_names_.clear();
    for (const auto& [id, volume] : volumes_.all()) {
      if (!volume.record.deleted) volume_names_[volume.record.name] = id;
    }
  }
  ++version_;
  changes_.wake_all();
}

}  // namespace varve
