#include "plugins/metadata_etcd/watch_stream.h"

#include <etcd.grpc.pb.h>
#include <grpcpp/channel.h>

#include <utility>

#include "plugins/metadata_etcd/codec.h"

namespace varve {
namespace {

// One step at a time: start, write, read, read, ..., finish.
class OpenStream final : public WatchStream {
 public:
  OpenStream(std::string key_prefix, const std::string& token, WatchHandler handler)
      : key_prefix_(std::move(key_prefix)), handler_(std::move(handler)) {
    context_.AddMetadata("hasleader", "true");  // or end
    if (!token.empty()) context_.AddMetadata("token", token);
  }
  void start(grpc::CompletionQueue& queue, const std::shared_ptr<grpc::Channel>& channel,
             const etcdserverpb::WatchRequest& request) {
    stub_ = etcdserverpb::Watch::NewStub(channel);
    request_ = request;
    stream_ = stub_->PrepareAsyncWatch(&context_, &queue);
    stream_->StartCall(tag());
  }

  bool advance(bool ok) override {
    if (step_ == Step::kFinish) {
      if (handler_ != nullptr) handler_(last_message());
      return false;
    }
    if (!ok) {
      step_ = Step::kFinish;
      stream_->Finish(&status_, tag());
      return true;
    }
    if (step_ == Step::kStart) {
      step_ = Step::kWrite;
      stream_->Write(request_, tag());
      return true;
    }
    if (step_ == Step::kRead) tell();
    step_ = Step::kRead;
    response_.Clear();
    stream_->Read(&response_, tag());
    return true;
  }
  void cancel() override {
    handler_ = nullptr;
    context_.TryCancel();
  }

 private:
  enum class Step { kStart, kWrite, kRead, kFinish };

  void* tag() { return static_cast<Completion*>(this); }
  void tell() {
    if (handler_ == nullptr) return;
    WatchMessage message;
    read_watch(key_prefix_, response_, message);
    // It may cancel this stream, and so end the handler that is being called.
    const WatchHandler handler = handler_;
    handler(std::move(message));
  }
  WatchMessage last_message() const {
    WatchMessage message;
    message.ended = true;
    message.failure = {static_cast<int>(status_.error_code()), status_.error_message()};
    return message;
  }

  const std::string key_prefix_;
  WatchHandler handler_;
  Step step_ = Step::kStart;
  grpc::ClientContext context_;
  grpc::Status status_;
  std::unique_ptr<etcdserverpb::Watch::Stub> stub_;
  etcdserverpb::WatchRequest request_;
  etcdserverpb::WatchResponse response_;
  std::unique_ptr<
      grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>>
      stream_;
};

}  // namespace

WatchStream* WatchStream::open(CompletionLoop& loop, const std::shared_ptr<grpc::Channel>& channel,
                               const etcdserverpb::WatchRequest& request, std::string key_prefix,
                               const std::string& token, WatchHandler handler) {
  auto made = std::make_unique<OpenStream>(std::move(key_prefix), token, std::move(handler));
  OpenStream* stream = made.get();
  stream->start(loop.queue(), channel, request);
  loop.add(std::move(made));
  return stream;
}

}  // namespace varve
