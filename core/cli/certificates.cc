#include "core/cli/certificates.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "core/base/text.h"
#include "plugins/tls/authority.h"
#include "plugins/tls/credentials.h"

namespace varve {
namespace {

constexpr mode_t kSecretMode = 0600;
constexpr mode_t kPublicMode = 0644;
constexpr size_t kFileBytesMax = 256 * 1024;

Status refused(std::string why) {
  return {ErrorCode::kInvalidArgument, std::move(why)};
}
Status failed(const std::string& path) {
  return {ErrorCode::kIoError, text(path, ": ", std::strerror(errno))};
}

Result<std::string> read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(path);
  std::string content(kFileBytesMax, '\0');
  const ssize_t got = read(fd, content.data(), content.size());
  const Status status = got < 0 ? failed(path) : Status();
  close(fd);
  if (!status.ok()) return status;
  content.resize(static_cast<size_t>(got));
  return content;
}

struct NewFile {
  std::string path;
  std::string content;
  mode_t mode;
};

// A file of its own, then its name: nobody sees a half of it.
Status write_file(const NewFile& file, bool replace) {
  const std::string draft = file.path + ".new";
  unlink(draft.c_str());
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file.mode);
  if (fd < 0) return failed(draft);
  const ssize_t size = static_cast<ssize_t>(file.content.size());
  const bool written = fchmod(fd, file.mode) == 0 &&
                       write(fd, file.content.data(), file.content.size()) == size &&
                       fsync(fd) == 0;
  Status status = written ? Status() : failed(draft);
  close(fd);
  const char* const to = file.path.c_str();
  if (status.ok() && replace && rename(draft.c_str(), to) != 0) status = failed(file.path);
  if (status.ok() && !replace && link(draft.c_str(), to) != 0) status = failed(file.path);
  unlink(draft.c_str());
  return status;
}

Status write_files(const std::string& folder, const std::vector<NewFile>& files, bool replace) {
  for (const NewFile& file : files) {
    if (!replace && access(file.path.c_str(), F_OK) == 0)
      return refused(text(file.path, " exists already; --force replaces it"));
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return {ErrorCode::kIoError, text(folder, ": ", error.message())};
  for (const NewFile& file : files) VARVE_TRY(write_file(file, replace));
  return {};
}

Result<std::string> make_ca(const Command& command) {
  PemPair made;
  const std::string wrong = make_authority(command.name, command.days, made);
  if (!wrong.empty()) return refused(wrong);
  const std::string certificate = command.folder + "/ca-cert.pem";
  const std::string key = command.folder + "/ca-key.pem";
  VARVE_TRY(write_files(
      command.folder, {{key, made.key, kSecretMode}, {certificate, made.certificate, kPublicMode}},
      command.force));
  return text("authority of cluster ", command.name, ": ", certificate, "\n", "its key: ", key,
              " (whoever has it can be any node: keep it off the nodes)\n");
}

Result<std::string> issue(const Command& command) {
  auto certificate = read_file(command.folder + "/ca-cert.pem");
  if (!certificate.ok())
    return refused(
        text(certificate.status().message(), "; varve cert init makes an authority there"));
  auto key = read_file(command.folder + "/ca-key.pem");
  if (!key.ok()) return key.status();
  CertificateWish wish;
  wish.role = *tls_role_of(command.role);
  wish.name = command.name;
  wish.hosts = command.names;
  wish.days = command.days;
  PemPair made;
  const std::string wrong = issue_certificate({*certificate, *key}, wish, made);
  if (!wrong.empty()) return refused(wrong);
  const std::string base = text(command.other, "/", command.role);
  std::vector<NewFile> files = {{base + "-key.pem", made.key, kSecretMode},
                                {base + "-cert.pem", made.certificate, kPublicMode}};
  const std::string trusted = command.other + "/ca-cert.pem";
  const auto there = read_file(trusted);
  // Who trusts several, as while an authority is being replaced, goes on to.
  const bool trusts = there.ok() && there->find(*certificate) != std::string::npos;
  if (!trusts) files.push_back({trusted, *certificate, kPublicMode});
  VARVE_TRY(write_files(command.other, files, command.force));
  CertificateFacts facts;
  read_certificate_facts(made.certificate, facts);
  return text(facts.identity, ": ", base, "-cert.pem, valid until ", tls_time_text(facts.not_after),
              "\n", "its key: ", base, "-key.pem\n", "whom it trusts: ", trusted, "\n");
}

Result<std::string> show(const Command& command) {
  const auto content = read_file(command.name);
  if (!content.ok()) return content.status();
  CertificateFacts facts;
  const std::string wrong = read_certificate_facts(*content, facts);
  if (!wrong.empty()) return refused(text(command.name, ": ", wrong));
  std::string out;
  if (!facts.identity.empty()) out += text("identity     ", facts.identity, "\n");
  if (facts.authority) out += "authority    yes\n";
  out += text("subject      ", facts.subject, "\nissuer       ", facts.issuer, "\nvalid until  ",
              tls_time_text(facts.not_after), "\n");
  if (facts.hosts.empty()) return out;
  out += "hosts       ";
  for (const std::string& host : facts.hosts) out += " " + host;
  return out + "\n";
}

}  // namespace

Result<std::string> run_cert(const Command& command) {
  if (command.action == Command::Action::kCertInit) return make_ca(command);
  return command.action == Command::Action::kCertIssue ? issue(command) : show(command);
}

}  // namespace varve
