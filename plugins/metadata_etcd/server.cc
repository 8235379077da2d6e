#include "plugins/metadata_etcd/server.h"

#include <etcd.grpc.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <utility>

#include "plugins/metadata_etcd/codec.h"
#include "plugins/metadata_etcd/limits.h"
#include "plugins/metadata_etcd/watch_stream.h"

namespace varve {
namespace {

// One request and its answer.
template <typename Response>
class UnaryCall final : public Completion {
 public:
  using Read = std::function<void(Response& response, Reply& reply)>;
  using Reader = grpc::ClientAsyncResponseReader<Response>;

  UnaryCall(uint64_t time_ms, const std::string& token, Read read, ReplyHandler handler)
      : read_(std::move(read)), handler_(std::move(handler)) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(time_ms));
    context.AddMetadata("hasleader", "true");  // or fail at once
    if (!token.empty()) context.AddMetadata("token", token);
  }
  void start(std::unique_ptr<Reader> reader) {
    reader_ = std::move(reader);
    reader_->StartCall();
    reader_->Finish(&response_, &status_, static_cast<Completion*>(this));
  }

  bool advance(bool) override {
    if (handler_ == nullptr) return false;
    Reply reply;
    reply.failure = {static_cast<int>(status_.error_code()), status_.error_message()};
    if (status_.ok()) read_(response_, reply);
    handler_(std::move(reply));
    return false;
  }
  void cancel() override {
    handler_ = nullptr;
    context.TryCancel();
  }

  grpc::ClientContext context;

 private:
  Read read_;
  ReplyHandler handler_;
  grpc::Status status_;
  Response response_;
  std::unique_ptr<Reader> reader_;
};

// Makes the call, lets `prepare` give it its reader, and hands it to the loop.
template <typename Response>
void begin(CompletionLoop& loop, std::unique_ptr<UnaryCall<Response>> call, auto prepare) {
  call->start(prepare(&call->context, &loop.queue()));
  loop.add(std::move(call));
}

std::shared_ptr<grpc::ChannelCredentials> credentials_of(const EtcdOptions& options,
                                                         const Certificates& certificates) {
  if (!options.encrypted) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = certificates.ca;
  ssl.pem_cert_chain = certificates.cert;
  ssl.pem_private_key = certificates.key;
  return grpc::SslCredentials(ssl);
}

std::shared_ptr<grpc::Channel> channel_to(const EtcdOptions& options, size_t endpoint,
                                          const Certificates& certificates) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveAnswerMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectFirstMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  // A commit must never be sent twice behind our back.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Connections of our own: another instance's trouble is not ours.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  return grpc::CreateCustomChannel("dns:///" + options.endpoints[endpoint].address,
                                   credentials_of(options, certificates), arguments);
}

}  // namespace

struct Server::Stubs {
  explicit Stubs(std::shared_ptr<grpc::Channel> to)
      : channel(std::move(to)),
        kv(etcdserverpb::KV::NewStub(channel)),
        auth(etcdserverpb::Auth::NewStub(channel)),
        maintenance(etcdserverpb::Maintenance::NewStub(channel)) {}
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Auth::Stub> auth;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
};

Server::Server(CompletionLoop& loop, const EtcdOptions& options, size_t endpoint,
               const Certificates& certificates)
    : loop_(loop),
      url_(options.endpoints[endpoint].url),
      prefix_(options.prefix),
      stubs_(std::make_unique<Stubs>(channel_to(options, endpoint, certificates))) {}

Server::~Server() = default;

bool Server::connected() const {
  return stubs_->channel->GetState(true) == GRPC_CHANNEL_READY;
}

void Server::ask_status(ReplyHandler handler) {
  using Response = etcdserverpb::StatusResponse;
  auto read = [](Response& response, Reply& reply) {
    read_header(response.header(), reply);
    reply.version = response.version();
    reply.leader = response.leader();
  };
  auto call =
      std::make_unique<UnaryCall<Response>>(kStatusMs, std::string(), read, std::move(handler));
  begin(loop_, std::move(call), [this](grpc::ClientContext* context, auto* queue) {
    return stubs_->maintenance->PrepareAsyncStatus(context, {}, queue);
  });
}

void Server::login(const std::string& user, const std::string& password, ReplyHandler handler) {
  using Response = etcdserverpb::AuthenticateResponse;
  etcdserverpb::AuthenticateRequest request;
  request.set_name(user);
  request.set_password(password);
  auto read = [](Response& response, Reply& reply) {
    read_header(response.header(), reply);
    reply.token = response.token();
  };
  auto call =
      std::make_unique<UnaryCall<Response>>(kLoginMs, std::string(), read, std::move(handler));
  begin(loop_, std::move(call), [&](grpc::ClientContext* context, auto* queue) {
    return stubs_->auth->PrepareAsyncAuthenticate(context, request, queue);
  });
}

void Server::ask_revision(const std::string& token, ReplyHandler handler) {
  using Response = etcdserverpb::RangeResponse;
  etcdserverpb::RangeRequest request;
  request.set_key(prefix_);
  request.set_count_only(true);
  auto read = [](Response& response, Reply& reply) { read_header(response.header(), reply); };
  auto call = std::make_unique<UnaryCall<Response>>(kPageMs, token, read, std::move(handler));
  begin(loop_, std::move(call), [&](grpc::ClientContext* context, auto* queue) {
    return stubs_->kv->PrepareAsyncRange(context, request, queue);
  });
}

void Server::range(const std::string& prefix, const std::string& from, uint64_t as_of,
                   const std::string& token, ReplyHandler handler) {
  using Response = etcdserverpb::RangeResponse;
  etcdserverpb::RangeRequest request;
  write_range(prefix_, prefix, from, as_of, request);
  auto read = [key_prefix = prefix_](Response& response, Reply& reply) {
    read_range(key_prefix, response, reply);
  };
  auto call = std::make_unique<UnaryCall<Response>>(kPageMs, token, read, std::move(handler));
  begin(loop_, std::move(call), [&](grpc::ClientContext* context, auto* queue) {
    return stubs_->kv->PrepareAsyncRange(context, request, queue);
  });
}

void Server::commit(const Transaction& transaction, const std::string& token,
                    ReplyHandler handler) {
  using Response = etcdserverpb::TxnResponse;
  etcdserverpb::TxnRequest request;
  write_transaction(prefix_, transaction, request);
  auto read = [](Response& response, Reply& reply) {
    read_header(response.header(), reply);
    reply.succeeded = response.succeeded();
  };
  auto call = std::make_unique<UnaryCall<Response>>(kCommitMs, token, read, std::move(handler));
  begin(loop_, std::move(call), [&](grpc::ClientContext* context, auto* queue) {
    return stubs_->kv->PrepareAsyncTxn(context, request, queue);
  });
}

WatchStream* Server::watch(const std::string& prefix, uint64_t revision, const std::string& token,
                           WatchHandler handler) {
  etcdserverpb::WatchRequest request;
  write_watch(prefix_, prefix, revision, *request.mutable_create_request());
  return WatchStream::open(loop_, stubs_->channel, request, prefix_, token, std::move(handler));
}

}  // namespace varve
