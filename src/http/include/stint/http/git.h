#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/http/message.h"
#include "stint/http/target.h"

namespace stint::http {

// Git over smart HTTP (gitprotocol-http): three requests are known, everything else is refused, the
// dumb protocol included.
//
//   GET  /REPO/info/refs?service=git-upload-pack | git-receive-pack     kDiscovery
//   POST /REPO/git-upload-pack                                          kRpc
//   POST /REPO/git-receive-pack                                         kRpc
enum class GitService : std::uint8_t { kUploadPack, kReceivePack };
enum class GitPhase : std::uint8_t { kDiscovery, kRpc };

struct GitCall {
  GitService service;
  GitPhase phase;
  std::string repository;  // decoded, without leading or trailing '/': "acme/helpdesk.git"
};

// Names the git request. Content-Type of a POST must be the one of its service; a body in any
// Content-Encoding but identity is refused for receive-pack (its commands must be read), and only
// gzip passes for upload-pack. Repository segments: no leading '.' or '-', no control or "\:*?[~^".
//
// Threads: any. Errors: kWrongTarget, kWrongMethod, kUnsupported, kMalformed.
Result<GitCall> classify_git(std::string_view method, const Target& target, const Headers& headers);

std::string_view service_name(GitService service);  // "git-upload-pack"

// One ref that a push wants to change. Ids are lower-case hex, 40 (SHA-1) or 64 (SHA-256) digits.
struct RefCommand {
  std::string old_id, new_id, ref;
  bool is_create() const { return zero(old_id); }
  bool is_delete() const { return zero(new_id); }
  bool operator==(const RefCommand&) const = default;

 private:
  static bool zero(std::string_view id) {
    return id.find_first_not_of('0') == std::string_view::npos;
  }
};

struct ReceivePackRequest {
  std::vector<RefCommand> commands;  // may be empty: git sends a lone flush to probe
  std::vector<std::string> shallow;  // ids
  std::vector<std::string> capabilities;
  std::vector<std::string> push_options;  // only with the capability push-options

  bool has_capability(std::string_view name) const;  // "atomic", or "agent" of "agent=git/2"
};

struct ReceivePackLimits {
  std::size_t commands = 1000;
  std::size_t shallow = 10000;
  std::size_t push_options = 64;
  std::size_t prefix_bytes = 1024 * 1024;  // commands, shallow lines and options together
  std::size_t ref_bytes = 1024;
};

// Reads what a push asks for, before its pack: feed the body as it comes until done. Needs only the
// bytes up to the flush (and, with push-options, up to the second one); the pack is not looked at.
//
// Threads:   one at a time. Ownership: owns its buffer and result.
// Limits:    `limits`, before memory is taken.
// Errors:    kMalformed, kTooLarge, kLimit, kUnsupported (push certificates, which name commands
//            that this parser does not read). After an error every feed gives that error.
// Closed:    a stream that ends before done() is kMalformed by finish(); an id of mixed lengths, a
//            ref that git check-ref-format refuses, a ref named twice, a no-op delete: refused.
class ReceivePackParser {
 public:
  explicit ReceivePackParser(const ReceivePackLimits& limits = {}) : limits_(limits) {}

  // True when all commands are known. Bytes after the commands (the pack) are the caller's to
  // forward: the parser keeps nothing, `consumed()` says how many bytes of the stream were its own.
  Result<bool> feed(std::string_view bytes);
  Status finish() const;  // the stream ended
  bool done() const { return stage_ == Stage::kDone; }
  std::size_t consumed() const { return consumed_; }
  const ReceivePackRequest& request() const { return request_; }  // whole when done()

 private:
  enum class Stage : std::uint8_t { kCommands, kOptions, kDone };
  Status take(std::string_view line);
  Status take_command(std::string_view line);
  Status take_shallow(std::string_view id);
  Status end_of_list();

  ReceivePackLimits limits_;
  Stage stage_ = Stage::kCommands;
  std::string pending_;  // the bytes of a line that is not whole yet
  std::size_t consumed_ = 0;
  ReceivePackRequest request_;
  std::optional<Error> failed_;
};

// The rules of git-check-ref-format for a whole ref name below "refs/" (or HEAD, which a push
// cannot name: refused here).
bool is_ref_name(std::string_view ref);

// A push refused in git's own words: 200 with report-status, in side-band-64k when the client has
// it, so that git shows `! [remote rejected] main -> main (REASON)` and each line of `message`
// after "remote: ". Without report-status only the side band is left, and without that an empty
// answer. `reason` and `message` are ours: ASCII, no secrets; line feeds in `reason` become spaces.
Response git_refusal(const ReceivePackRequest& request, std::string_view reason,
                     std::string_view message);

// A refusal during discovery or fetch, as an `ERR` line in the service's own type, so that git
// shows "fatal: remote error: MESSAGE".
Response git_error(GitService service, GitPhase phase, std::string_view message);

}  // namespace stint::http
