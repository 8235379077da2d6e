#include "core/plugin/plugin_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "core/base/text.h"
#include "core/plugin/table_callbacks.h"

namespace varve {
namespace {

// How many bytes of a kind's table are known here; 0: an unknown kind.
size_t known_bytes(uint32_t kind) {
  switch (kind) {
    case VARVE_KIND_TRANSPORT:
      return sizeof(varve_transport);
    case VARVE_KIND_METADATA:
      return sizeof(varve_metadata);
    case VARVE_KIND_SERVICE:
      return sizeof(varve_service);
    default:
      return 0;
  }
}

// What dlopen or dlsym complained about; dlerror is null when a symbol is there but is null.
std::string loader_message() {
  const char* message = dlerror();
  return message ? message : "the entry symbol is null";
}

// For a path that leads to nothing: what could have been meant.
std::string plugins_beside(const std::string& path) {
  const std::string pattern = text(path.substr(0, path.rfind('/') + 1), "*.so");
  glob_t found{};
  std::string names;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) {  // in order
      std::string_view name = found.gl_pathv[i];
      name.remove_prefix(name.rfind('/') + 1);
      name.remove_suffix(3);
      names += text(names.empty() ? "; there are: " : ", ", name);
    }
  }
  globfree(&found);
  return names.empty() ? "; there is no plugin in that folder" : names;
}

}  // namespace

PluginLibrary::PluginLibrary(std::string path) : path_(std::move(path)) {
  static_assert(offsetof(varve_service, option_help) == offsetof(Head, option_help));
  static_assert(offsetof(varve_transport, option_help) == offsetof(Head, option_help));
  static_assert(offsetof(varve_metadata, option_help) == offsetof(Head, option_help));
  std::memset(&tables_, 0, sizeof(tables_));
}

Result<std::unique_ptr<PluginLibrary>> PluginLibrary::open(const std::string& path) {
  if (!path.starts_with('/')) {
    return Status(ErrorCode::kInvalidArgument, text(path, ": a plugin's path must be absolute"));
  }
  if (::access(path.c_str(), F_OK) != 0) {
    return Status(ErrorCode::kNotFound, text(path, ": no such file", plugins_beside(path)));
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
  if (known_bytes(table->kind) == 0) {
    return {ErrorCode::kUnsupported,
            text("is of kind ", plugin_kind_name(table->kind), " (", table->kind,
                 "); this release loads service, transport and metadata plugins")};
  }
  std::memcpy(&tables_, table, std::min<size_t>(plugin_struct_bytes_, known_bytes(table->kind)));
  varve_table& ours = tables_.head.table;
  if (ours.name == nullptr || ours.name[0] == '\0') {
    return {ErrorCode::kInvalidArgument, "has no name in its table"};
  }
  if (ours.version == nullptr) ours.version = "";
  if (ours.description == nullptr) ours.description = "";
  return check_callbacks();
}

Status PluginLibrary::check_callbacks() const {
  std::string missing;
  for (const TableCallback& callback : required_callbacks(kind())) {
    if (callback.present(table())) continue;
    missing += text(missing.empty() ? "" : ", ", callback.name);
  }
  if (missing.empty()) return {};
  return {ErrorCode::kInvalidArgument, text("lacks required callbacks: ", missing)};
}

Status PluginLibrary::need_kind(uint32_t kind) const {
  if (kind == this->kind()) return {};
  return {ErrorCode::kUnsupported,
          text(path_, ": is of kind ", plugin_kind_name(this->kind()), "; a plugin of kind ",
               plugin_kind_name(kind), " is needed here")};
}

const varve_service& PluginLibrary::service() const {
  VARVE_CHECK(kind() == VARVE_KIND_SERVICE);
  return tables_.service;
}
const varve_transport& PluginLibrary::transport() const {
  VARVE_CHECK(kind() == VARVE_KIND_TRANSPORT);
  return tables_.transport;
}
const varve_metadata& PluginLibrary::metadata() const {
  VARVE_CHECK(kind() == VARVE_KIND_METADATA);
  return tables_.metadata;
}

std::string PluginLibrary::describe() const {
  const varve_table& table = this->table();
  std::string out =
      text("file:         ", path_, "\nname:         ", table.name,
           "\nversion:      ", table.version, "\ndescription:  ", table.description,
           "\nkind:         ", plugin_kind_name(table.kind), "\nABI:          ", table.abi_major,
           ".", table.abi_minor, " (this release: ", VARVE_ABI_MAJOR, ".", VARVE_ABI_MINOR,
           ")\ntable:        ", plugin_struct_bytes_,
           " bytes (this release: ", known_bytes(table.kind), ")\ncallbacks:   ");
  for (const TableCallback& callback : required_callbacks(table.kind)) {
    if (callback.present(table)) out += text(" ", callback.name);
  }
  out += "\noptions:\n";
  std::string_view help = tables_.head.option_help ? tables_.head.option_help : "";
  if (help.empty()) help = "none";
  while (!help.empty()) {
    const size_t end = std::min(help.find('\n'), help.size());
    out += text("  ", help.substr(0, end), "\n");
    help.remove_prefix(std::min(end + 1, help.size()));
  }
  return out;
}

std::string plugin_directory() {
  std::array<char, PATH_MAX> program{};
  const ssize_t bytes = readlink("/proc/self/exe", program.data(), program.size());
  std::string_view folder(program.data(), bytes > 0 ? static_cast<size_t>(bytes) : 0);
  for (int up = 0; up < 2; ++up)
    folder = folder.substr(0, std::min(folder.rfind('/'), folder.size()));
  return text(folder, "/lib/varve/plugins");
}

std::string plugin_path(std::string_view directory, std::string_view plugin) {
  if (plugin.starts_with('/')) return std::string(plugin);
  return text(directory, "/", plugin, ".so");
}

}  // namespace varve
