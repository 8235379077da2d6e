/* The binary contract between Varve and its plugins: what every kind shares. C11, stdint only.
 *
 * A plugin is one shared object that exports one function:
 *
 *     const struct varve_table *varve_plugin_entry(void);
 *
 * It returns a constant table that begins with struct varve_table; `kind` tells which larger table
 * it is (struct varve_service in service.h; transports and metadata stores follow the same shape).
 *
 * Compatibility: an unknown abi_major is refused; a larger abi_minor means members were appended.
 * Each side copies the smaller of the two struct sizes into a zeroed struct of its own and treats
 * what is missing as absent. Members are only ever appended; reserved bits are zero. No C++ type,
 * no errno, no enum-sized field crosses. Nothing is process-global: every call takes an instance
 * or a context, for many may live in one process.
 *
 * Life of a plugin:
 *
 *     varve_plugin_entry -> instance_create -> context_create (one per shard) -> start
 *         -> poll / arm / wait_fd ... -> stop -> stopped -> context_destroy -> instance_destroy
 *
 * A transport has no start and no stop: listen and connect open it, context_destroy ends it.
 * option_help is "" where there are no options.
 *
 * instance_create and start explain errors in words; later errors are codes. Every call on a
 * context comes from its shard's thread. No call may block.
 */
#ifndef VARVE_PLUGIN_H
#define VARVE_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_ABI_MAJOR 1u
#define VARVE_ABI_MINOR 2u

/* Values of varve_table.kind. */
#define VARVE_KIND_TRANSPORT 1u
#define VARVE_KIND_METADATA 2u
#define VARVE_KIND_SERVICE 3u

/* Results. Zero or positive is success; these never change their meaning. */
#define VARVE_OK 0
#define VARVE_E_AGAIN (-1)   /* no room now; nothing was taken; call again later */
#define VARVE_E_INVALID (-2) /* an argument is wrong: range, name, flags */
#define VARVE_E_NOT_FOUND (-3)
#define VARVE_E_EXISTS (-4)
#define VARVE_E_NO_SPACE (-5)
#define VARVE_E_DAMAGED (-6) /* the bytes fail their checksum */
#define VARVE_E_IO (-7)
#define VARVE_E_BUSY (-8) /* held by somebody else */
#define VARVE_E_UNSUPPORTED (-9)
#define VARVE_E_CLOSED (-10) /* shutting down */
#define VARVE_E_NO_MEMORY (-11)

/* First in every table. Strings are UTF-8, end in NUL and live as long as the plugin. */
struct varve_table {
  uint32_t struct_size; /* of the whole table, this part included */
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t kind;
  const char* name;        /* as in the config: "nbd" */
  const char* version;     /* the plugin's own */
  const char* description; /* one line */
};

/* One setting from the plugin's config section. A list arrives as several options of one key. */
struct varve_option {
  const char* key;
  const char* value;
};

/* Values of `level` in varve_host.log. */
#define VARVE_LOG_DEBUG 0u
#define VARVE_LOG_INFO 1u
#define VARVE_LOG_WARN 2u
#define VARVE_LOG_ERROR 3u

/* What the host gives to every plugin; valid until instance_destroy returns. */
struct varve_host {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  void* host; /* first argument of the calls below */
  /* Any thread. */
  void (*log)(void* host, uint32_t level, const char* text);
  /* Since minor 1. PEM files: whom this node believes, its certificate, its key. All null: TLS is
   * not configured. The files may be replaced at any time. */
  const char* tls_ca_file;
  const char* tls_cert_file;
  const char* tls_key_file;
};

typedef const struct varve_table* varve_plugin_entry_function(void);
#define VARVE_PLUGIN_ENTRY "varve_plugin_entry"

#ifdef __cplusplus
}
#endif
#endif
