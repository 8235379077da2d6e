#include "core/cli/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "core/base/size_text.h"
#include "core/base/text.h"
#include "plugins/tls/authority.h"

namespace varve {
namespace {

using Action = Command::Action;

constexpr uint32_t kAuthorityDays = 3650;
constexpr uint32_t kCertificateDays = 365;

// The app and what it fills in. CLI11 throws for whatever ends a parse; parse_command catches.
class Grammar {
 public:
  Grammar() : app_("varve talks to varved, which serves the volumes of a node.", "varve") {
    app_.require_subcommand(1);
    app_.fallthrough();  // options of the whole program are fine anywhere
    app_.set_version_flag("--version", VARVE_VERSION);
    app_.add_option("--config", command_.config_path,
                    "the node's config, for where varved listens (/etc/varve/node.toml)")
        ->type_name("FILE");
    app_.add_option("--endpoint", command_.endpoint,
                    "where varved listens: https://HOST:PORT, http://HOST:PORT or unix:/PATH")
        ->type_name("URL");
    add_proof();
    app_.add_option("-o,--output", output_, "table (default) or json")
        ->type_name("FORM")
        ->check(CLI::IsMember({"table", "json"}));
    app_.footer("Exit: 0 done, 1 refused (the reason is on standard error), 2 wrong usage.");
    add_volume();
    add_snapshot();
    add_disk();
    on(app_.add_subcommand("status", "how the node and its disk groups are"), Action::kStatus);
    add_cluster();
    add_attachments();
    add_cert();
    add_not_built(app_, "top", "top");
  }

  Command parse(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app_.parse(std::move(words));
    command_.json = output_ == "json";
    command_.size_bytes = parse_size(size_).value_or(0);
    command_.segment_bytes = parse_size(segment_size_).value_or(0);
    command_.hdd_size_bytes = parse_size(hdd_size_).value_or(0);
    return command_;
  }
  CLI::App& app() { return app_; }

 private:
  void on(CLI::App* app, Action action) {
    app->callback([this, action] { command_.action = action; });
  }

  void add_name(CLI::App* app, const char* placeholder, const char* help) {
    app->add_option(placeholder, command_.name, help)->required()->type_name("");
  }

  CLI::Option* add_size(CLI::App* app, const char* option, std::string& words, const char* help) {
    return app->add_option(option, words, help)
        ->type_name("SIZE")
        ->check([](const std::string& size) {
          const auto bytes = parse_size(size);
          return bytes && *bytes > 0 ? std::string()
                                     : text("\"", size, "\" is not a size; allowed: ", kSizeGrammar,
                                            ", as in 10GiB");
        });
  }

  void add_proof() {
    const auto add = [this](const char* option, std::string& path, const char* help) {
      return app_.add_option(option, path, help)->type_name("FILE");
    };
    add("--ca", command_.ca_file,
        "for https: the authority of the cluster (of [tls] in the config)");
    CLI::Option* cert =
        add("--cert", command_.cert_file, "for https: the certificate of an admin or a monitor");
    CLI::Option* key = add("--key", command_.key_file, "its key");
    cert->needs(key);
    key->needs(cert);
    add("--token-file", command_.token_file,
        "instead of a certificate: holds the token (of [node] in the config)")
        ->excludes(cert);
  }

  void add_volume() {
    CLI::App* volume = app_.add_subcommand("volume", "block devices that clients use");
    volume->require_subcommand(1);
    CLI::App* create = volume->add_subcommand(
        "create", "make a volume; one that exists with the same size is fine");
    on(create, Action::kVolumeCreate);
    add_name(create, "NAME", "1 to 255 letters, digits, '.', '_', '-'");
    add_size(create, "--size", size_, "rounded up to 4 KiB")->required();
    create->add_option("--disk-group", command_.disk_group, "default: the one with most free space")
        ->type_name("NAME");
    add_copies(create, "in a cluster: on so many nodes; default: the cluster's");
    add_encryption(create);
    add_tier(create, "default: auto");
    on(volume->add_subcommand("list", "all volumes"), Action::kVolumeList);
    CLI::App* show = volume->add_subcommand("show", "one volume");
    on(show, Action::kVolumeShow);
    add_name(show, "NAME", "the volume");
    CLI::App* resize = volume->add_subcommand(
        "resize", "let a volume grow, while it is used, too; clients see it when they connect");
    on(resize, Action::kVolumeResize);
    add_name(resize, "NAME", "the volume");
    add_size(resize, "--size", size_, "the new size, rounded up to 4 KiB")->required();
    add_meant_disk_group(resize);
    CLI::App* set = volume->add_subcommand(
        "set", "change where a volume's blocks are kept, while it is used, too");
    on(set, Action::kVolumeSet);
    add_name(set, "NAME", "the volume");
    add_tier(set, "what is on an HDD comes back by being written")->required();
    add_meant_disk_group(set);
    add_rewrap(volume);
    CLI::App* remove = volume->add_subcommand("delete", "delete a volume and all its data");
    on(remove, Action::kVolumeDelete);
    add_name(remove, "NAME", "the volume");
    add_meant_disk_group(remove);
    CLI::App* clone = volume->add_subcommand(
        "clone", "make a volume of a snapshot, at once; later writes to either are its own");
    on(clone, Action::kVolumeClone);
    add_name(clone, "VOLUME@SNAPSHOT", "what it begins as");
    clone->add_option("NAME", command_.other, "the new volume")->required()->type_name("");
    add_size(clone, "--size", size_, "default: as the snapshot; may be larger");
    add_tier(clone, "default: as the volume");
  }

  void add_snapshot() {
    CLI::App* snapshot = app_.add_subcommand("snapshot", "what volumes were at one instant");
    snapshot->require_subcommand(1);
    CLI::App* create = snapshot->add_subcommand(
        "create", "take a snapshot; several are of the same instant, all or none");
    on(create, Action::kSnapshotCreate);
    create->add_option("VOLUME@SNAPSHOT", command_.names, "which volume, and the snapshot's name")
        ->required()
        ->type_name("");
    CLI::App* list = snapshot->add_subcommand("list", "all snapshots");
    on(list, Action::kSnapshotList);
    list->add_option("VOLUME", command_.name, "only of this volume")->type_name("");
    const auto add = [&](const char* name, const char* help, Action action) {
      CLI::App* app = snapshot->add_subcommand(name, help);
      on(app, action);
      add_name(app, "VOLUME@SNAPSHOT", "the snapshot");
      return app;
    };
    add("show", "one snapshot, and the space it takes", Action::kSnapshotShow);
    add("delete", "delete a snapshot; what only it held becomes free", Action::kSnapshotDelete);
    add("rollback", "make the volume what the snapshot is; all snapshots stay",
        Action::kSnapshotRollback);
    CLI::App* changes = add("changes", "the bytes that may have changed since the snapshot",
                            Action::kSnapshotChanges);
    changes->add_option("--until", command_.other, "up to this snapshot; default: up to now")
        ->type_name("VOLUME@SNAPSHOT");
  }

  void add_encryption(CLI::App* create) {
    CLI::Option* encrypted = create->add_flag(
        "--encrypted", command_.encrypted, "encrypt all data of the volume on this node's disks");
    create
        ->add_option("--wrapping-key", command_.wrapping_key,
                     "its name in the node's key file; default: the only one there")
        ->type_name("NAME")
        ->needs(encrypted);
  }

  void add_rewrap(CLI::App* volume) {
    CLI::App* rewrap = volume->add_subcommand(
        "rewrap", "wrap a volume's data key by another wrapping key, while it is used, too");
    on(rewrap, Action::kVolumeRewrap);
    add_name(rewrap, "NAME", "the volume; its clones have the same data key");
    rewrap->add_option("--wrapping-key", command_.wrapping_key, "its name in the node's key file")
        ->required()
        ->type_name("NAME");
    add_meant_disk_group(rewrap);
  }

  void add_meant_disk_group(CLI::App* app) {
    app->add_option("--disk-group", command_.disk_group, "where several have the name")
        ->type_name("NAME");
  }

  CLI::Option* add_tier(CLI::App* app, const char* help) {
    return app
        ->add_option(
            "--tier", command_.tier,
            text("of disk groups with HDDs: auto (what is cold sinks to them), ssd (stays on "
                 "the SSD) or hdd (is not cached on the SSD); ",
                 help))
        ->type_name("TIER")
        ->check(CLI::IsMember({"auto", "ssd", "hdd"}));
  }

  void add_copies(CLI::App* app, const char* help) {
    app->add_option("--copies", command_.copies, help)
        ->type_name("N")
        ->check([](const std::string& words) {
          const bool allowed = words.size() == 1 && words[0] >= '1' && words[0] <= '3';
          return allowed ? std::string() : text("\"", words, "\" is not 1, 2 or 3");
        });
  }

  void add_cluster() {
    CLI::App* cluster = app_.add_subcommand("cluster", "several nodes that work as one");
    cluster->require_subcommand(1);
    CLI::App* init = cluster->add_subcommand(
        "init", "make the cluster whose metadata store the node's config names");
    on(init, Action::kClusterInit);
    add_copies(init, "of volumes that ask for none; default: one per node, at most 3");
    CLI::App* move = cluster->add_subcommand(
        "move-metadata",
        "carry the cluster's records from the metadata store that the node's config names into the "
        "one that another config names, while no varved runs; again after a failure: goes on");
    on(move, Action::kClusterMoveMetadata);
    move->add_option("--to", command_.new_config_path,
                     "the node's new config; only its [metadata] is used")
        ->required()
        ->type_name("FILE");
    CLI::App* node = app_.add_subcommand("node", "the nodes of the cluster");
    node->require_subcommand(1);
    on(node->add_subcommand("list", "all nodes"), Action::kNodeList);
    for (const char* name : {"drain", "resume"}) add_not_built(*node, name, text("node ", name));
  }

  void add_attachments() {
    CLI::App* attach = app_.add_subcommand("attach", "let this node, and no other, use a volume");
    on(attach, Action::kAttach);
    add_name(attach, "VOLUME", "the volume");
    attach->add_flag("--force", command_.force, "take it from a node that still uses it");
    CLI::App* detach = app_.add_subcommand("detach", "let a volume go, for another node to use");
    on(detach, Action::kDetach);
    add_name(detach, "VOLUME", "the volume");
    detach->add_flag("--force", command_.force, "also from another node, which is cut off");
  }

  void add_cert() {
    CLI::App* cert = app_.add_subcommand("cert", "certificates for TLS; docs/security.md explains");
    cert->require_subcommand(1);
    const auto add = [&](const char* name, const char* help, Action action, uint32_t days) {
      CLI::App* app = cert->add_subcommand(name, help);
      app->callback([this, action, days] {
        command_.action = action;
        if (command_.days == 0) command_.days = days;
      });
      app->add_option("--days", command_.days, text("valid for so long; default: ", days))
          ->type_name("N")
          ->check(CLI::Range(uint32_t{1}, kCertificateDaysMax));
      app->add_flag("--force", command_.force, "replace files that exist");
      return app;
    };
    CLI::App* init = add("init", "make the authority of a cluster: ca-cert.pem and ca-key.pem",
                         Action::kCertInit, kAuthorityDays);
    init->add_option("--cluster", command_.name, "the name that its certificates carry")
        ->required()
        ->type_name("NAME");
    init->add_option("--dir", command_.folder, "where its files go")->required()->type_name("DIR");
    CLI::App* issue = add("issue", "make a certificate: ROLE-cert.pem, ROLE-key.pem, ca-cert.pem",
                          Action::kCertIssue, kCertificateDays);
    issue
        ->add_option("ROLE", command_.role,
                     "node, client (of volumes), admin (of the cluster) or monitor (reads)")
        ->required()
        ->type_name("")
        ->check(CLI::IsMember({"node", "client", "admin", "monitor"}));
    issue->add_option("NAME", command_.name, "of a node: as its config has it")
        ->required()
        ->type_name("");
    issue->add_option("--ca", command_.folder, "where the authority's files are")
        ->required()
        ->type_name("DIR");
    issue->add_option("--out", command_.other, "where the new files go")
        ->required()
        ->type_name("DIR");
    issue
        ->add_option("--host", command_.names,
                     "of a node: a host name or IP address by which clients know it; repeatable")
        ->allow_extra_args(false)
        ->type_name("HOST");
    CLI::App* show = cert->add_subcommand("show", "what a certificate says");
    on(show, Action::kCertShow);
    add_name(show, "FILE", "in PEM");
  }

  void add_disk() {
    CLI::App* disk = app_.add_subcommand("disk", "disk groups: the devices of this node");
    disk->require_subcommand(1);
    CLI::App* add = disk->add_subcommand(
        "add", "format a disk group that the config names, or add HDDs to one that serves");
    on(add, Action::kDiskAdd);
    add_name(add, "NAME|PATH", "the disk group, by its name or path in the config");
    CLI::Option* size = add_size(add, "--size", size_, "make a file of this size");
    add->add_flag("--wipe", command_.wipe, "overwrite what is there");
    CLI::Option* segment_size =
        add_size(add, "--segment-size", segment_size_,
                 "a power of two from 64KiB to 256MiB; default: by the device's size");
    add->add_option("--hdd", command_.hdd,
                    "only this HDD of the config; default: all that are not used yet")
        ->type_name("PATH")
        ->excludes(size)
        ->excludes(segment_size);
    add_size(add, "--hdd-size", hdd_size_, "make a file of this size for each HDD");
    on(disk->add_subcommand("list", "all disk groups"), Action::kDiskList);
    CLI::App* scrub = disk->add_subcommand(
        "scrub", "read and check all data of a disk group now; goes on when this is interrupted");
    on(scrub, Action::kDiskScrub);
    add_name(scrub, "NAME|PATH", "the disk group, by its name or path in the config");
    add_size(scrub, "--rate", size_, "bytes per second at most; default: 100MiB");
    for (const char* name : {"remove", "replace"}) add_not_built(*disk, name, text("disk ", name));
  }

  void add_not_built(CLI::App& parent, const char* name, std::string full_name) {
    CLI::App* app = parent.add_subcommand(name, "not built yet in this release");
    app->group("Not built yet in this release");
    app->fallthrough(false);
    app->allow_extras();
    app->set_help_flag();
    app->callback([this, full_name = std::move(full_name)] {
      command_.action = Action::kNotBuilt;
      command_.not_built = full_name;
    });
  }

  CLI::App app_;
  Command command_;
  std::string output_ = "table";
  std::string size_;
  std::string segment_size_;
  std::string hdd_size_;
};

}  // namespace

Result<Command> parse_command(std::span<const std::string> words) {
  Grammar grammar;
  try {
    return grammar.parse({words.begin(), words.end()});
  } catch (const CLI::CallForHelp&) {
    Command command;
    const CLI::App* app = &grammar.app();
    std::string parents;
    while (!app->get_subcommands().empty()) {
      parents += text(parents.empty() ? "" : " ", app->get_name());
      app = app->get_subcommands().front();
    }
    command.help = app->help(parents);
    return command;
  } catch (const CLI::CallForVersion&) {
    Command command;
    command.action = Action::kVersion;
    return command;
  } catch (const CLI::RequiredError& error) {
    const std::vector<std::string> unknown = grammar.app().remaining(/*recurse=*/true);
    if (unknown.empty()) return Status(ErrorCode::kInvalidArgument, error.what());
    return Status(ErrorCode::kInvalidArgument, text("unknown command \"", unknown.front(), "\""));
  } catch (const CLI::Error& error) {
    return Status(ErrorCode::kInvalidArgument, error.what());
  }
}

}  // namespace varve
