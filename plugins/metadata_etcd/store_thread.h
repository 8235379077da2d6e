// StoreThread: the one thread that talks to etcd for all contexts of an instance.
//
// gRPC's own threads only put ends of calls into the CompletionLoop; what follows from them is done
// here, and told to the contexts through their mailboxes.
//
// Thread rule: any thread may start() and push(). The destructor cancels what is under way and
// waits for the thread to end.
#pragma once

#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/options.h"
#include "plugins/metadata_etcd/server.h"
#include "plugins/sdk/host.h"
#include "plugins/sdk/metadata_calls.h"

namespace varve {

class StoreThread final : public MetadataThread {
 public:
  explicit StoreThread(const HostLog& log) : log_(log) {}
  ~StoreThread() override;
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  // Reaches etcd on the first call; returns what went wrong. `options` must outlive the thread.
  std::string start(const EtcdOptions& options);
  void push(Request request) override;

 private:
  class Work;

  std::string read_files(const EtcdOptions& options);
  void run(const EtcdOptions& options, std::promise<std::string> opened);
  bool take_requests(Work& work);  // false: the end

  const HostLog& log_;
  Certificates certificates_;
  std::mutex start_mutex_;
  std::thread thread_;
  std::mutex mutex_;  // guards what follows
  std::deque<Request> requests_;
  CompletionLoop* loop_ = nullptr;  // null: the thread does not run
  bool ending_ = false;
};

}  // namespace varve
