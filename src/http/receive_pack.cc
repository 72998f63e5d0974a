#include <algorithm>
#include <unordered_set>

#include "stint/codec/utf8.h"
#include "stint/http/git.h"
#include "stint/http/pktline.h"

namespace stint::http {
namespace {

bool is_object_id(std::string_view id) {
  return (id.size() == 40 || id.size() == 64) &&
         id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Length that a line's first four bytes announce, for taking just the bytes that are missing.
std::size_t announced(std::string_view header) {
  std::size_t length = 0;
  for (const char c : header.substr(0, 4))
    length = length * 16 + static_cast<std::size_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  return std::max<std::size_t>(length, 4);
}

}  // namespace

bool ReceivePackRequest::has_capability(std::string_view name) const {
  return std::ranges::any_of(capabilities, [&](const std::string& c) {
    return c == name || (c.size() > name.size() && c.starts_with(name) && c[name.size()] == '=');
  });
}

Result<bool> ReceivePackParser::feed(std::string_view bytes) {
  if (failed_) return fail(*failed_);
  const auto give_up = [&](const Error& error) {
    failed_ = error;
    return fail(error);
  };
  while (stage_ != Stage::kDone && !bytes.empty()) {
    // A line that is whole in `bytes` is read in place; else just its missing bytes are gathered.
    std::string_view source = bytes;
    std::size_t taken = 0;
    if (!pending_.empty()) {
      const std::size_t want = pending_.size() < 4 ? 4 : announced(pending_);
      taken = std::min(want - pending_.size(), bytes.size());
      pending_ += bytes.substr(0, taken);
      source = pending_;
    }
    const auto pkt = read_pkt(source);
    if (!pkt) return give_up(pkt.error());
    const bool more = pkt->kind == Pkt::Kind::kMore;
    const bool gathered = !pending_.empty();
    if (!gathered) taken = more ? bytes.size() : pkt->consumed;
    consumed_ += taken;
    if (consumed_ > limits_.prefix_bytes)
      return give_up({Errc::kTooLarge, "git command list too large"});
    if (more) {
      if (!gathered) pending_ = bytes.substr(0, taken);
    } else {
      Status ok;
      switch (pkt->kind) {
        case Pkt::Kind::kData:
          ok = take(pkt->payload);
          break;
        case Pkt::Kind::kFlush:
          ok = end_of_list();
          break;
        case Pkt::Kind::kDelim:
        case Pkt::Kind::kResponseEnd:
        case Pkt::Kind::kMore:
          ok = fail(Errc::kMalformed, "git special packet in commands");
      }
      pending_.clear();
      if (!ok) return give_up(ok.error());
    }
    bytes.remove_prefix(taken);
  }
  return done();
}

Status ReceivePackParser::finish() const {
  if (failed_) return fail(*failed_);
  if (stage_ != Stage::kDone) return fail(Errc::kMalformed, "git command list truncated");
  return {};
}

Status ReceivePackParser::take(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (stage_ == Stage::kOptions) {
    if (request_.push_options.size() == limits_.push_options)
      return fail(Errc::kLimit, "git too many push options");
    if (line.find('\0') != std::string_view::npos || !codec::is_utf8(line))
      return fail(Errc::kMalformed, "git push option");
    request_.push_options.emplace_back(line);
    return {};
  }
  if (line.empty()) return fail(Errc::kMalformed, "git empty command");
  if (line.starts_with("push-cert"))
    return fail(Errc::kUnsupported, "git push certificates are not supported");
  if (line.starts_with("shallow ")) return take_shallow(line.substr(8));
  return take_command(line);
}

Status ReceivePackParser::take_shallow(std::string_view id) {
  // A server takes them anywhere; git writes them first.
  if (!request_.commands.empty()) return fail(Errc::kMalformed, "git shallow line after commands");
  if (!is_object_id(id)) return fail(Errc::kMalformed, "git object id");
  if (request_.shallow.size() == limits_.shallow)
    return fail(Errc::kLimit, "git too many shallow lines");
  request_.shallow.emplace_back(id);
  return {};
}

Status ReceivePackParser::take_command(std::string_view line) {
  const std::size_t nul = line.find('\0');
  if (request_.commands.empty()) {
    if (nul != std::string_view::npos) {
      std::string_view rest = line.substr(nul + 1);
      if (!is_printable(rest)) return fail(Errc::kMalformed, "git capabilities");
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        if (end > 0) request_.capabilities.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      if (request_.has_capability("push-cert"))
        return fail(Errc::kUnsupported, "git push certificates are not supported");
    }
  } else if (nul != std::string_view::npos) {
    // A server would take capabilities from here too.
    return fail(Errc::kMalformed, "git capabilities after the first command");
  }
  const std::string_view text = line.substr(0, nul);
  if (request_.commands.size() == limits_.commands)
    return fail(Errc::kLimit, "git too many commands");
  const std::size_t id = text.find(' ');
  if (id == std::string_view::npos || text.size() < 2 * id + 2 || text[2 * id + 1] != ' ')
    return fail(Errc::kMalformed, "git command");
  RefCommand c{std::string(text.substr(0, id)), std::string(text.substr(id + 1, id)), ""};
  const std::string_view ref = text.substr(2 * id + 2);
  if (!is_object_id(c.old_id) || !is_object_id(c.new_id))
    return fail(Errc::kMalformed, "git object id");
  if (ref.size() > limits_.ref_bytes) return fail(Errc::kTooLarge, "git ref name too large");
  if (!is_ref_name(ref)) return fail(Errc::kMalformed, "git ref name");
  if (!codec::is_utf8(ref)) return fail(Errc::kMalformed, "git ref name not utf-8");
  if (c.is_create() && c.is_delete()) return fail(Errc::kMalformed, "git command changes nothing");
  c.ref = ref;
  request_.commands.push_back(std::move(c));
  return {};
}

Status ReceivePackParser::end_of_list() {
  if (stage_ == Stage::kOptions) {
    stage_ = Stage::kDone;
    return {};
  }
  // One hash function for the whole request, the one that it names.
  std::size_t length = request_.commands.empty() ? 0 : request_.commands[0].old_id.size();
  std::unordered_set<std::string_view> refs;
  for (const RefCommand& c : request_.commands) {
    if (c.old_id.size() != length || c.new_id.size() != length)
      return fail(Errc::kMalformed, "git object ids of two lengths");
    if (!refs.insert(c.ref).second) return fail(Errc::kMalformed, "git ref named twice");
  }
  for (const std::string& id : request_.shallow) {
    if (length == 0) length = id.size();
    if (id.size() != length) return fail(Errc::kMalformed, "git object ids of two lengths");
  }
  for (const std::string& c : request_.capabilities) {
    if (!c.starts_with("object-format=")) continue;
    const std::string_view format = std::string_view(c).substr(14);
    if (format != (length == 64 ? "sha256" : "sha1"))
      return fail(Errc::kMalformed, "git object-format does not fit the ids");
  }
  const bool options = !request_.commands.empty() && request_.has_capability("push-options");
  stage_ = options ? Stage::kOptions : Stage::kDone;
  return {};
}

}  // namespace stint::http
