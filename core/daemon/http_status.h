// http_status: what the admin API answers with, by the error.
//
// Thread rule: any thread.
#pragma once

#include "core/base/error.h"

namespace varve {

// 200 for kOk; docs/openapi.yaml lists the others.
int http_status(ErrorCode code);

}  // namespace varve
