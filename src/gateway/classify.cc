#include "classify.h"

#include <fmt/format.h>

#include "stint/codec/hex.h"
#include "stint/codec/json.h"
#include "stint/crypto/digest.h"

namespace stint::gateway {
namespace {

std::string joined(const std::vector<std::string>& segments) {
  std::string out;
  for (const auto& segment : segments) {
    if (!out.empty()) out.push_back('/');
    out += segment;
  }
  return out;
}

domain::ActionClass class_of(const authority::Directory::UpstreamEntry& upstream,
                             std::string_view action) {
  for (const auto& rule : upstream.actions)
    if (rule.action == action) return rule.action_class;
  return domain::ActionClass::kUnclassified;
}

// Letters that are not seen, or that turn the direction of those that are: zero-width and bidi
// controls, line and paragraph separators, C1 controls, byte order marks (UTF-8, by lead bytes).
std::size_t invisible_at(std::string_view text) {
  const auto u = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.size() >= 2 && u(0) == 0xc2 && u(1) < 0xa0) return 2;
  if (text.size() >= 2 && u(0) == 0xd8 && u(1) == 0x9c) return 2;
  if (text.size() < 3) return 0;
  if (u(0) == 0xe2 && u(1) == 0x80 &&
      ((u(2) >= 0x8b && u(2) <= 0x8f) || (u(2) >= 0xa8 && u(2) <= 0xae)))
    return 3;
  if (u(0) == 0xe2 && u(1) == 0x81 && u(2) >= 0xa0 && u(2) <= 0xaf) return 3;
  return u(0) == 0xef && u(1) == 0xbb && u(2) == 0xbf ? 3 : 0;
}

// What a stranger wrote, inside a sentence of ours: no quotation mark that ends it, nothing that
// changes what the person reads.
std::string quoted(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (const auto n = invisible_at(text); n > 0) {
      out += '?';
      text.remove_prefix(n);
      continue;
    }
    const auto u = static_cast<unsigned char>(text.front());
    if (u < 0x20 || u == 0x7f)
      out += '?';
    else
      out += u == '"' ? '\'' : text.front();
    text.remove_prefix(1);
  }
  return out;
}

std::string for_whom(const Asker& asker) {
  return fmt::format("Agent {}{}, in the task \"{}\" ({})", asker.agent,
                     asker.human.empty() ? std::string() : ", acting for " + asker.human,
                     quoted(asker.purpose), asker.task.str());
}

// A ref as people say it.
std::string ref_words(std::string_view ref) {
  if (ref.starts_with("refs/heads/")) return fmt::format("branch {}", quoted(ref.substr(11)));
  if (ref.starts_with("refs/tags/")) return fmt::format("tag {}", quoted(ref.substr(10)));
  return "ref " + quoted(ref);
}

std::string command_words(const http::RefCommand& c) {
  if (c.is_delete())
    return fmt::format("delete the {} (now at {})", ref_words(c.ref), c.old_id.substr(0, 12));
  if (c.is_create())
    return fmt::format("create the {} at {}", ref_words(c.ref), c.new_id.substr(0, 12));
  return fmt::format("move the {} from {} to {}", ref_words(c.ref), c.old_id.substr(0, 12),
                     c.new_id.substr(0, 12));
}

struct Refs {
  std::vector<const http::RefCommand*> updates, deletions;
};

std::string canonical_commands(const std::vector<const http::RefCommand*>& commands) {
  json::Array list;
  for (const auto* c : commands)
    list.push_back(json::Object{{"ref", c->ref}, {"old", c->old_id}, {"new", c->new_id}});
  return json::canonical(json::Object{{"commands", std::move(list)}});
}

}  // namespace

Result<NamedCall> name_http(const authority::Directory::UpstreamEntry& upstream,
                            const std::string& method, const http::Target& target,
                            const std::optional<std::string>& body, const Asker& asker) {
  const auto match = upstream.routes.match(method, target);
  if (!match && match.error().code != Errc::kNotFound) return fail(match.error());
  NamedCall named{.call = {.task = asker.task,
                           .upstream = upstream.upstream.name,
                           .action = match ? upstream.actions[match->index].action : "unmatched",
                           .action_class = match ? upstream.actions[match->index].action_class
                                                 : domain::ActionClass::kUnclassified,
                           .resource = joined(target.segments),
                           .method = method,
                           .target = target.text()}};
  if (match)
    for (const auto& [name, value] : match->params) named.arguments.emplace(name, value);
  named.call.arguments =
      body ? json::canonical(json::Object{
                 {"body_sha256", codec::encode_hex(crypto::view(crypto::sha256(*body)))},
                 {"body_bytes", static_cast<std::int64_t>(body->size())}})
           : std::string("{}");
  named.words = fmt::format(
      "{} asks to do {} ({}) at {}: {} {}{}.", for_whom(asker), named.call.action,
      domain::text(named.call.action_class), named.call.upstream, method, named.call.target,
      body && !body->empty() ? fmt::format(", with a body of {} bytes", body->size()) : "");
  return named;
}

std::vector<NamedCall> name_git(const authority::Directory::UpstreamEntry& upstream,
                                const std::string& method, const http::Target& target,
                                const http::GitCall& git, const http::ReceivePackRequest* commands,
                                const std::vector<domain::Grant>& grants, const Asker& asker) {
  const std::string& name = upstream.upstream.name;
  const auto make = [&](std::string action, domain::ActionClass action_class, std::string arguments,
                        const std::string& does) {
    NamedCall named{.call = {.task = asker.task,
                             .upstream = name,
                             .action = std::move(action),
                             .action_class = action_class,
                             .resource = git.repository,
                             .method = method,
                             .target = target.text(),
                             .arguments = std::move(arguments)},
                    .arguments = {{"repository", git.repository}}};
    named.words = fmt::format("{} asks to {} in the repository {} at {}.", for_whom(asker), does,
                              git.repository, name);
    return named;
  };

  if (git.service == http::GitService::kUploadPack)
    return {make("git.fetch", class_of(upstream, "git.fetch"), "{}", "read everything")};

  if (commands == nullptr || commands->commands.empty()) {
    // Listing refs before a push, or git's empty probe: changes nothing, so it is a read; it counts
    // as the one that the task was granted.
    const bool push = domain::allows(grants, name, "git.push", git.repository);
    return {make(push || !domain::allows(grants, name, "git.ref.delete", git.repository)
                     ? "git.push"
                     : "git.ref.delete",
                 domain::ActionClass::kRead, "{}", "list the refs before a push")};
  }

  Refs refs;
  for (const auto& c : commands->commands)
    (c.is_delete() ? refs.deletions : refs.updates).push_back(&c);
  std::vector<NamedCall> out;
  const auto add = [&](std::string action, const std::vector<const http::RefCommand*>& some) {
    if (some.empty()) return;
    std::string does, names;
    for (const auto* c : some) {
      does += (does.empty() ? "" : ", ") + command_words(*c);
      names += (names.empty() ? "" : " ") + c->ref;
    }
    auto named = make(action, class_of(upstream, action), canonical_commands(some), does);
    named.arguments.emplace("refs", std::move(names));  // all: what is too long is denied
    out.push_back(std::move(named));
  };
  add("git.push", refs.updates);
  add("git.ref.delete", refs.deletions);
  return out;
}

}  // namespace stint::gateway
