#include "core/plugin/service_callbacks.h"

namespace varve {

#define VARVE_SERVICE_CALLBACK(member) \
  {#member, [](const varve_service& service) { return service.member != nullptr; }}

std::span<const ServiceCallback> required_service_callbacks() {
  static constexpr ServiceCallback kCallbacks[] = {
      VARVE_SERVICE_CALLBACK(instance_create),
      VARVE_SERVICE_CALLBACK(instance_destroy),
      VARVE_SERVICE_CALLBACK(context_create),
      VARVE_SERVICE_CALLBACK(context_destroy),
      VARVE_SERVICE_CALLBACK(start),
      VARVE_SERVICE_CALLBACK(stop),
      VARVE_SERVICE_CALLBACK(stopped),
      VARVE_SERVICE_CALLBACK(poll),
      VARVE_SERVICE_CALLBACK(arm),
      VARVE_SERVICE_CALLBACK(wait_fd),
  };
  return kCallbacks;
}

#undef VARVE_SERVICE_CALLBACK

}  // namespace varve
