#include "transports/rdma/device.h"

#include <fcntl.h>
#include <infiniband/verbs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "plugins/sdk/host.h"
#include "transports/rdma/limits.h"

namespace varve {
namespace {

std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

uint8_t depth(int device_limit) {
  return static_cast<uint8_t>(std::clamp(device_limit, 0, int{kReadDepth}));
}

}  // namespace

std::unique_ptr<RdmaDevice> RdmaDevice::open(ibv_context* verbs, std::string& why) {
  std::unique_ptr<RdmaDevice> device(new RdmaDevice);
  device->verbs_ = verbs;
  ibv_device_attr limits{};
  errno = 0;
  bool good = ibv_query_device(verbs, &limits) == 0;
  device->read_depth_asking_ = depth(limits.max_qp_init_rd_atom);
  device->read_depth_asked_ = depth(limits.max_qp_rd_atom);
  if (good) device->domain_.reset(ibv_alloc_pd(verbs));
  if (good) device->channel_.reset(ibv_create_comp_channel(verbs));
  good = device->domain_ != nullptr && device->channel_ != nullptr;
  if (good) {
    const int fd = device->channel_->fd;
    good = ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
  }
  if (good) return device;
  why = join({"device ", device->name(), " cannot be used: ", std::strerror(errno)});
  return nullptr;
}

bool RdmaDevice::add_arena(uint64_t memory, void* base, uint64_t bytes) {
  if (arenas_.size() < memory) arenas_.resize(memory);
  arenas_[memory - 1].reset(ibv_reg_mr(domain_.get(), base, bytes, IBV_ACCESS_LOCAL_WRITE));
  return arenas_[memory - 1] != nullptr;
}

int RdmaDevice::wait_fd() const {
  return channel_->fd;
}

std::string RdmaDevice::name() const {
  return ibv_get_device_name(verbs_->device);
}

uint32_t RdmaDevice::local_key(uint64_t memory) const {
  return arenas_[memory - 1]->lkey;
}

void RdmaDevice::remove_arena(uint64_t memory) {
  if (memory <= arenas_.size()) arenas_[memory - 1].reset();
}

std::string describe_devices() {
  int count = 0;
  ibv_device** const devices = ibv_get_device_list(&count);
  std::string text;
  for (int i = 0; i < count; ++i) {
    const std::string name = ibv_get_device_name(devices[i]);
    const std::string port = join({devices[i]->ibdev_path, "/ports/1/"});
    text += join({text.empty() ? "" : ", ", name, " (port 1: ", first_line(port + "state"), ", ",
                  first_line(port + "rate"), ", ", first_line(port + "link_layer"), ")"});
  }
  if (devices != nullptr) ibv_free_device_list(devices);
  return text.empty() ? "none" : text;
}

}  // namespace varve
