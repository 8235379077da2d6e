#include "core/plugin/plugin_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "core/base/text.h"
#include "core/plugin/service_callbacks.h"

namespace varve {
namespace {

std::string_view kind_name(uint32_t kind) {
  switch (kind) {
    case VARVE_KIND_TRANSPORT:
      return "transport";
    case VARVE_KIND_METADATA:
      return "metadata";
    case VARVE_KIND_SERVICE:
      return "service";
    default:
      return "unknown";
  }
}

// What dlopen or dlsym complained about; dlerror is null when a symbol is there but is null.
std::string loader_message() {
  const char* message = dlerror();
  return message ? message : "the entry symbol is null";
}

}  // namespace

PluginLibrary::PluginLibrary(std::string path) : path_(std::move(path)) {}

Result<std::unique_ptr<PluginLibrary>> PluginLibrary::open(const std::string& path) {
  if (!path.starts_with('/')) {
    return Status(ErrorCode::kInvalidArgument, text(path, ": a plugin's path must be absolute"));
  }
  void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    return Status(ErrorCode::kNotFound, text(path, ": cannot be loaded: ", loader_message()));
  }
  std::unique_ptr<PluginLibrary> library(new PluginLibrary(path));
  if (Status status = library->read_table(object); !status.ok()) {
    return Status(status.code(), text(path, ": ", status.message()));
  }
  return library;
}

Status PluginLibrary::read_table(void* object) {
  auto* entry = reinterpret_cast<varve_plugin_entry_function*>(dlsym(object, VARVE_PLUGIN_ENTRY));
  if (entry == nullptr) {
    return {ErrorCode::kInvalidArgument, text("is no Varve plugin: ", loader_message())};
  }
  const varve_table* table = entry();
  if (table == nullptr) {
    return {ErrorCode::kInvalidArgument, text(VARVE_PLUGIN_ENTRY, " returned no table")};
  }
  plugin_struct_bytes_ = table->struct_size;
  if (plugin_struct_bytes_ < sizeof(varve_table)) {
    return {ErrorCode::kInvalidArgument,
            text("its table says ", plugin_struct_bytes_, " bytes; at least ", sizeof(varve_table),
                 " are needed")};
  }
  if (table->abi_major != VARVE_ABI_MAJOR) {
    return {ErrorCode::kUnsupported,
            text("was built for plugin ABI ", table->abi_major, ".", table->abi_minor,
                 "; this release needs ", VARVE_ABI_MAJOR, ".x")};
  }
  if (table->kind != VARVE_KIND_SERVICE) {
    return {ErrorCode::kUnsupported, text("is of kind ", kind_name(table->kind), " (", table->kind,
                                          "); this release loads service plugins only")};
  }
  std::memcpy(&service_, table, std::min<size_t>(plugin_struct_bytes_, sizeof(service_)));
  if (service_.table.name == nullptr || service_.table.name[0] == '\0') {
    return {ErrorCode::kInvalidArgument, "has no name in its table"};
  }
  if (service_.table.version == nullptr) service_.table.version = "";
  if (service_.table.description == nullptr) service_.table.description = "";
  std::string missing;
  for (const ServiceCallback& callback : required_service_callbacks()) {
    if (callback.present(service_)) continue;
    missing += text(missing.empty() ? "" : ", ", callback.name);
  }
  if (!missing.empty()) {
    return {ErrorCode::kInvalidArgument, text("lacks required callbacks: ", missing)};
  }
  return {};
}

std::string PluginLibrary::describe() const {
  const varve_table& table = service_.table;
  std::string out =
      text("file:         ", path_, "\nname:         ", table.name,
           "\nversion:      ", table.version, "\ndescription:  ", table.description,
           "\nkind:         ", kind_name(table.kind), "\nABI:          ", table.abi_major, ".",
           table.abi_minor, " (this release: ", VARVE_ABI_MAJOR, ".", VARVE_ABI_MINOR,
           ")\ntable:        ", plugin_struct_bytes_,
           " bytes (this release: ", sizeof(varve_service), ")\ncallbacks:   ");
  for (const ServiceCallback& callback : required_service_callbacks()) {
    if (callback.present(service_)) out += text(" ", callback.name);
  }
  out += "\noptions:\n";
  std::string_view help = service_.option_help ? service_.option_help : "";
  if (help.empty()) help = "none";
  while (!help.empty()) {
    const size_t end = std::min(help.find('\n'), help.size());
    out += text("  ", help.substr(0, end), "\n");
    help.remove_prefix(std::min(end + 1, help.size()));
  }
  return out;
}

std::string plugin_path(std::string_view directory, std::string_view plugin) {
  if (plugin.starts_with('/')) return std::string(plugin);
  return text(directory, "/", plugin, ".so");
}

}  // namespace varve
