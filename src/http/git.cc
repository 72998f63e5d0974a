#include "stint/http/git.h"

#include <algorithm>
#include <array>

#include "stint/http/pktline.h"

namespace stint::http {
namespace {

Result<GitService> parse_service(std::string_view name) {
  if (name == "git-upload-pack") return GitService::kUploadPack;
  if (name == "git-receive-pack") return GitService::kReceivePack;
  return fail(Errc::kUnsupported, "git service");
}

// What servers expand, or treat as an option or a hidden file.
bool is_repository_segment(std::string_view s) {
  if (s.empty() || s.front() == '.' || s.front() == '-') return false;
  return std::ranges::none_of(s, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ||
           std::string_view("\\:*?[~^").find(c) != std::string_view::npos;
  });
}

Result<std::string> repository_of(const Target& target, std::size_t segments) {
  if (segments == 0) return fail(Errc::kWrongTarget, "git repository missing");
  std::string out;
  for (std::size_t i = 0; i < segments; ++i) {
    if (!is_repository_segment(target.segments[i]))
      return fail(Errc::kWrongTarget, "git repository name");
    if (i > 0) out += '/';
    out += target.segments[i];
  }
  return out;
}

Result<GitCall> classify_discovery(std::string_view method, const Target& target) {
  if (method != "GET") return fail(Errc::kWrongMethod, "git discovery is not a GET");
  if (!target.has_query || target.query.empty())
    return fail(Errc::kUnsupported, "git dumb protocol");
  // One parameter: the server must not find another service beside ours.
  const auto parameters = STINT_TRY(parse_query(target.query));
  if (target.query.find(';') != std::string_view::npos || parameters.size() != 1 ||
      parameters[0].name != "service")
    return fail(Errc::kMalformed, "git discovery query");
  GitCall out{STINT_TRY(parse_service(parameters[0].value)), GitPhase::kDiscovery, {}};
  out.repository = STINT_TRY(repository_of(target, target.segments.size() - 2));
  return out;
}

Status check_rpc_headers(GitService service, const Headers& headers) {
  const auto type = headers.one("Content-Type");
  const std::string want = "application/x-" + std::string(service_name(service)) + "-request";
  if (!type || !iequal(*type, want)) return fail(Errc::kUnsupported, "git content-type");
  const std::size_t encodings = headers.count("Content-Encoding");
  if (encodings == 0) return {};
  const auto encoding = headers.one("Content-Encoding");
  if (!encoding) return fail(Errc::kMalformed, "git content-encoding repeated");
  if (iequal(*encoding, "identity")) return {};
  if (service == GitService::kReceivePack)
    return fail(Errc::kUnsupported, "git push with content-encoding");
  if (!iequal(*encoding, "gzip")) return fail(Errc::kUnsupported, "git content-encoding");
  return {};
}

}  // namespace

std::string_view service_name(GitService service) {
  switch (service) {
    case GitService::kUploadPack:
      return "git-upload-pack";
    case GitService::kReceivePack:
      return "git-receive-pack";
  }
  __builtin_trap();
}

Result<GitCall> classify_git(std::string_view method, const Target& target,
                             const Headers& headers) {
  const auto& s = target.segments;
  if (s.size() >= 2 && s[s.size() - 2] == "info" && s.back() == "refs")
    return classify_discovery(method, target);
  const auto service = parse_service(s.back());
  if (!service) return fail(Errc::kWrongTarget, "not a smart git request");
  if (method != "POST") return fail(Errc::kWrongMethod, "git service is not a POST");
  if (target.has_query) return fail(Errc::kMalformed, "git service with a query");
  if (const auto ok = check_rpc_headers(*service, headers); !ok) return fail(ok.error());
  return GitCall{*service, GitPhase::kRpc, STINT_TRY(repository_of(target, s.size() - 1))};
}

bool is_ref_name(std::string_view ref) {
  if (!ref.starts_with("refs/") || ref.ends_with('.') || ref.ends_with('/')) return false;
  if (ref.find("..") != std::string_view::npos || ref.find("@{") != std::string_view::npos ||
      ref.find("//") != std::string_view::npos)
    return false;
  const bool plain = std::ranges::none_of(ref, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u <= 0x20 || u == 0x7f || std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
  });
  if (!plain) return false;
  for (std::size_t begin = 0; begin <= ref.size();) {
    const std::size_t end = std::min(ref.find('/', begin), ref.size());
    const std::string_view component = ref.substr(begin, end - begin);
    if (component.empty() || component.starts_with('.') || component.ends_with(".lock"))
      return false;
    begin = end + 1;
  }
  return true;
}

namespace {

constexpr std::size_t kMaxBand = 65515;  // payload of a side-band-64k line, without its band byte

void write_band(std::string& out, char band, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kMaxBand);
    write_pkt(out, std::string(1, band) + std::string(part));
    bytes.remove_prefix(part.size());
  }
}

// One printable ASCII line: what git shows must not move the cursor of a terminal.
std::string one_line(std::string_view text) {
  std::string out(text.substr(0, 1000));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return out;
}

std::string lines(std::string_view text) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    out += one_line(text.substr(begin, end - begin)) + '\n';
    begin = end + 1;
  }
  return out;
}

Response git_response(std::string type, std::string body) {
  Response out;
  out.headers.add("Content-Type", std::move(type));
  out.headers.add("Cache-Control", "no-cache, max-age=0, must-revalidate");
  out.body = std::move(body);
  return out;
}

}  // namespace

Response git_refusal(const ReceivePackRequest& request, std::string_view reason,
                     std::string_view message) {
  std::string report;
  const bool wants_report =
      request.has_capability("report-status") || request.has_capability("report-status-v2");
  if (wants_report) {
    write_pkt(report, "unpack ok\n");
    for (const RefCommand& c : request.commands)
      write_pkt(report, "ng " + c.ref + ' ' + one_line(reason) + '\n');
    write_flush(report);
  }
  std::string body;
  if (request.has_capability("side-band-64k")) {
    write_band(body, '\2', lines(message));
    write_band(body, '\1', report);
    write_flush(body);
  } else {
    body = std::move(report);
  }
  return git_response("application/x-git-receive-pack-result", std::move(body));
}

Response git_error(GitService service, GitPhase phase, std::string_view message) {
  std::string body;
  const std::string name(service_name(service));
  if (phase == GitPhase::kDiscovery) {
    write_pkt(body, "# service=" + name + '\n');
    write_flush(body);
  }
  write_pkt(body, "ERR " + one_line(message) + '\n');
  const char* suffix = phase == GitPhase::kDiscovery ? "-advertisement" : "-result";
  return git_response("application/x-" + name + suffix, std::move(body));
}

}  // namespace stint::http
