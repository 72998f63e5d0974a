#include "reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "stint/codec/json.h"
#include "stint/codec/url.h"
#include "stint/domain/action.h"
#include "stint/jose/jwk.h"

namespace stint::resource {
namespace {

bool valid(Kind kind, std::string_view name) {
  return kind == Kind::kHuman ? domain::valid_human(name) : domain::valid_name(name);
}

// JSON written as YAML: every scalar is text, as all members of keys are.
json::Value to_json(const yaml::Node& node) {
  switch (node.kind) {
    case yaml::Kind::kNull:
      return nullptr;
    case yaml::Kind::kScalar:
      return json::String(node.scalar);
    case yaml::Kind::kSequence: {
      json::Array out;
      for (const yaml::Node& n : node.seq) out.push_back(to_json(n));
      return out;
    }
    case yaml::Kind::kMap: {
      json::Object out;
      for (const auto& [key, value] : node.map) out[key.scalar] = to_json(value);
      return out;
    }
  }
  __builtin_trap();
}

std::vector<std::string> sorted(std::vector<std::string> list) {
  std::ranges::sort(list);
  const auto doubles = std::ranges::unique(list);
  list.erase(doubles.begin(), doubles.end());
  return list;
}

}  // namespace

void Reader::document(const std::string& file, const yaml::Node& doc) {
  report_.set_file(file);
  ++count_;
  std::vector<std::string_view> kinds;
  for (const Shape* shape : resource_shapes()) {
    kinds.push_back(shape->name);
    if (!doc.is_map() || doc.find(shape->name) == nullptr) continue;
    const bool good = conforms(doc, *shape, report_);
    const Kind kind = parse_kind(shape->name).value();
    if (!declare(kind, doc) || !good) return;
    switch (kind) {
      case Kind::kHuman:
        return human(doc);
      case Kind::kGroup:
        return group(doc);
      case Kind::kAgent:
        return agent(doc);
      case Kind::kUpstream:
        return upstream(doc);
      case Kind::kCredential:
        return credential(doc);
      case Kind::kIssuer:
        return issuer(doc);
      case Kind::kPolicy:
        return;  // has no YAML form
    }
  }
  const bool first = doc.is_map() && !doc.map.empty();
  report_.at(first ? doc.map[0].key : doc,
             fmt::format("a document begins with one of {}{}", fmt::join(kinds, ", "),
                         first ? hint(doc.map[0].key.scalar, kinds) : ""));
}

void Reader::policy(const std::string& file, std::string text) {
  ++count_;
  out_.add(Policy{file, std::move(text)});
}

bool Reader::declare(Kind kind, const yaml::Node& doc) {
  const yaml::Node& name = *doc.find(text(kind));
  if (!name.is_scalar()) return false;  // reported already
  if (!valid(kind, name.scalar)) {
    report_.at(name,
               fmt::format("{} is no name for {}: {}", quoted(name.scalar), text(kind),
                           kind == Kind::kHuman
                               ? "letters, digits and ._@+-, at most 128, not agent:…"
                               : "a-z, 0-9 and ._-, beginning with a letter or digit, at most 64"));
    return false;
  }
  const auto [it, fresh] =
      declared_[kind].try_emplace(name.scalar, Position{report_.file(), name.line, name.column});
  if (fresh) return true;
  report_.at(name, fmt::format("{} {} is declared twice, first at {}:{}", text(kind),
                               quoted(name.scalar), it->second.file, it->second.line));
  return false;
}

void Reader::refer(std::initializer_list<Kind> kinds, const yaml::Node& name) {
  references_.push_back({kinds, name.scalar, {report_.file(), name.line, name.column}});
}

std::string Reader::file_text(const yaml::Node& path) {
  auto bytes = lookup_(report_.file(), path.scalar);
  if (bytes) return *std::move(bytes);
  report_.at(path,
             fmt::format("cannot read {}: {}", quoted(path.scalar), bytes.error().reason.text()));
  return "";
}

std::string Reader::keys(const yaml::Node& at, std::string_view text, bool of_issuer) {
  if (text.empty()) return "";
  const auto set = of_issuer ? jose::JwkSet::parse_of_issuer(text) : jose::JwkSet::parse(text);
  if (!set) {
    report_.at(at, fmt::format("not a usable public JWK Set: {}", set.error().reason.text()));
    return "";
  }
  if (set->keys().empty()) {
    report_.at(at, "the JWK Set has no usable key");
    return "";
  }
  const auto value = json::parse(set->to_json(), {.bytes = jose::JwkSet::kMaxBytes * 2});
  return value ? json::canonical(*value) : "";
}

std::vector<std::string> Reader::names(const yaml::Node& doc, std::string_view key) {
  if (const yaml::Node* list = doc.find(key))
    for (const yaml::Node& n : list->seq)
      if (!domain::valid_name(n.scalar))
        report_.at(n, fmt::format("{} is no name: a-z, 0-9 and ._-", quoted(n.scalar)));
  return sorted(texts_at(doc, key));
}

void Reader::human(const yaml::Node& doc) {
  Human out{text_at(doc, "human"), text_at(doc, "issuer"), text_at(doc, "subject"),
            text_at(doc, "email"), names(doc, "groups")};
  if (out.subject.empty()) report_.at(*doc.find("subject"), "\"subject\" is empty");
  for (const Human& other : out_.humans)
    if (other.issuer == out.issuer && other.subject == out.subject)
      report_.at(*doc.find("subject"),
                 fmt::format("human {} has the same issuer and subject", quoted(other.name)));
  refer({Kind::kIssuer}, *doc.find("issuer"));
  if (const yaml::Node* list = doc.find("groups"))
    for (const yaml::Node& g : list->seq) refer({Kind::kGroup}, g);
  out_.add(std::move(out));
}

void Reader::group(const yaml::Node& doc) {
  out_.add(Group{text_at(doc, "group"), text_at(doc, "description")});
}

void Reader::credential(const yaml::Node& doc) {
  Credential out{text_at(doc, "credential"), text_at(doc, "description"),
                 Credential::Source::kPrompt, text_at(doc, "path")};
  const std::string source = text_at(doc, "source", "prompt");
  if (source == "file") out.source = Credential::Source::kFile;
  if (source == "stdin") out.source = Credential::Source::kStdin;
  const bool file = out.source == Credential::Source::kFile;
  if (file && out.path.empty()) report_.at(doc, "source file needs \"path\"");
  if (!file && !out.path.empty())
    report_.at(*doc.key_node("path"), "\"path\" is only for source file");
  out_.add(std::move(out));
}

bool Reader::usable_url(const yaml::Node& node) {
  const auto url = codec::parse_url(node.scalar);
  if (!url) {
    report_.at(node, fmt::format("not a usable URL: {}", url.error().reason.text()));
    return false;
  }
  if (url->has_query || url->has_fragment) {
    report_.at(node, "a URL here has no query and no fragment");
    return false;
  }
  if (!url->is_https() && !url->is_loopback()) {
    report_.at(node, "plain http is only for loopback addresses: use https");
    return false;
  }
  return true;
}

void Reader::issuer(const yaml::Node& doc) {
  Issuer out;
  out.name = text_at(doc, "issuer");
  out.url = text_at(doc, "url");
  (void)usable_url(*doc.find("url"));
  for (const Issuer& other : out_.issuers)
    if (other.url == out.url)
      report_.at(*doc.find("url"), fmt::format("issuer {} has the same url", quoted(other.name)));
  out.audiences = sorted(texts_at(doc, "audiences"));
  if (out.audiences.empty()) report_.at(*doc.find("audiences"), "\"audiences\" is empty");
  const yaml::Node* file = doc.find("jwks_file");
  if (file != nullptr && doc.find("jwks") != nullptr)
    report_.at(*doc.key_node("jwks"), "either \"jwks\" or \"jwks_file\", not both");
  else if (file != nullptr)
    out.jwks = keys(*file, file_text(*file), true);
  if (const yaml::Node* claims = doc.find("claims")) {
    out.groups_claim = text_at(*claims, "groups");
    out.email_claim = text_at(*claims, "email", out.email_claim);
  }
  out.max_age = duration_at(doc, "max_age", out.max_age);
  out_.add(std::move(out));
}

void Reader::trust(const yaml::Node& node, Agent& agent) {
  const yaml::Node *file = node.find("jwks_file"), *inline_keys = node.find("jwks");
  if ((file == nullptr) == (inline_keys == nullptr)) {
    report_.at(node, "trust private_key_jwt needs one of \"jwks_file\" and \"jwks\"");
    return;
  }
  Trust out;
  if (file != nullptr)
    out.jwks = keys(*file, file_text(*file), false);
  else
    out.jwks = keys(*inline_keys, json::write(to_json(*inline_keys)), false);
  agent.trust.push_back(std::move(out));
}

void Reader::agent(const yaml::Node& doc) {
  Agent out;
  out.name = text_at(doc, "agent");
  out.owner = text_at(doc, "owner");
  refer({Kind::kHuman, Kind::kGroup}, *doc.find("owner"));
  out.description = text_at(doc, "description");
  out.status = parse_agent_status(text_at(doc, "status", "active")).value();
  out.environment = text_at(doc, "environment");
  out.labels = names(doc, "labels");
  if (bool_at(doc, "edge_verifier", false)) out.edge_verifier = true;
  const yaml::Node& ways = *doc.find("trust");
  if (ways.seq.empty()) report_.at(ways, "\"trust\" is empty: no instance could prove itself");
  for (const yaml::Node& way : ways.seq) trust(way, out);
  out_.add(std::move(out));
}

}  // namespace stint::resource
