#include "transports/rdma/verbs.h"

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <cstdlib>
#include <cstring>

namespace varve {

void VerbsEnd::operator()(ibv_comp_channel* channel) const {
  ibv_destroy_comp_channel(channel);
}
void VerbsEnd::operator()(ibv_cq* queue) const {
  ibv_destroy_cq(queue);
}
void VerbsEnd::operator()(ibv_mr* region) const {
  ibv_dereg_mr(region);
}
void VerbsEnd::operator()(ibv_pd* domain) const {
  ibv_dealloc_pd(domain);
}
void VerbsEnd::operator()(rdma_cm_id* id) const {
  rdma_destroy_id(id);
}
void VerbsEnd::operator()(rdma_event_channel* channel) const {
  rdma_destroy_event_channel(channel);
}
void VerbsEnd::operator()(uint8_t* pages) const {
  std::free(pages);
}

Pages make_pages(size_t bytes) {
  const size_t whole = (bytes + 4095) / 4096 * 4096;
  Pages pages(static_cast<uint8_t*>(std::aligned_alloc(4096, whole)));
  if (pages != nullptr) std::memset(pages.get(), 0, whole);
  return pages;
}

}  // namespace varve
