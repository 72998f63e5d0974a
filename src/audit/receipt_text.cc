#include <algorithm>
#include <string>

#include "instant.h"
#include "stint/audit/receipt.h"
#include "stint/codec/base64url.h"
#include "stint/codec/json.h"
#include "stint/codec/utf8.h"
#include "stint/domain/json.h"

namespace stint::audit {
namespace {

constexpr std::string_view kTitle = "stint receipt v1";
constexpr std::size_t kMaxReceiptBytes = 768 * 1024;

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string digest_text(const crypto::Digest& digest) {
  return codec::encode_base64url(crypto::view(digest));
}

Result<crypto::Digest> digest_of(std::string_view text) {
  const auto bytes = codec::decode_base64url(text);
  crypto::Digest out;
  if (!bytes || bytes->size() != out.size()) {
    return fail(Errc::kMalformed, "receipt digest malformed");
  }
  std::ranges::copy(*bytes, out.begin());
  return out;
}

// A text member, read on by `parse`.
template <class F>
auto parsed_at(const json::Object& o, std::string_view key, F parse) -> decltype(parse("")) {
  return parse(STINT_TRY(json::string_at(o, key)));
}

struct Count {
  std::string_view key;
  std::int64_t Receipt::Counts::* value;
};
constexpr Count kCounts[] = {
    {"approvals_granted", &Receipt::Counts::approvals_granted},
    {"approvals_refused", &Receipt::Counts::approvals_refused},
    {"approvals_requested", &Receipt::Counts::approvals_requested},
    {"asked", &Receipt::Counts::asked},
    {"credentials_released", &Receipt::Counts::credentials_released},
    {"denied", &Receipt::Counts::denied},
    {"permitted", &Receipt::Counts::permitted},
    {"signals", &Receipt::Counts::signals},
    {"tokens", &Receipt::Counts::tokens},
};

std::string life_json(const std::vector<Receipt::Event>& life) {
  std::string out = "[";
  for (const Receipt::Event& event : life) {
    if (out.size() > 1) out += ',';
    ObjectWriter w;
    w.add("index", static_cast<std::int64_t>(event.index));
    w.add("leaf", digest_text(event.leaf));
    out += w.finish_text();
  }
  return out + ']';
}

Result<std::string> data(const Receipt& r) {
  ObjectWriter w;
  w.add("v", 1);
  w.add("task", r.task.str());
  w.add("agent", r.agent);
  if (r.human) w.add("human", *r.human);
  if (r.parent) w.add("parent", r.parent->str());
  w.add("purpose", r.purpose);
  w.add("reference", r.reference);
  w.add_raw("grants", json::canonical(domain::to_json(std::span(r.grants))));
  w.add("opened", STINT_TRY(instant(r.opened)));
  w.add("closed", STINT_TRY(instant(r.closed)));
  w.add("how", domain::text(r.how));
  ObjectWriter spend;
  spend.add("requests", r.spend.requests);
  spend.add("bytes_out", r.spend.bytes_out);
  w.add_raw("spend", spend.finish_text());
  ObjectWriter counts;
  for (const Count& c : kCounts) counts.add(c.key, r.counts.*c.value);
  w.add_raw("counts", counts.finish_text());
  w.add("first_event", static_cast<std::int64_t>(r.first_event));
  w.add("last_event", static_cast<std::int64_t>(r.last_event));
  w.add_raw("life", life_json(r.life));
  ObjectWriter tree;
  tree.add("size", static_cast<std::int64_t>(r.tree_size));
  tree.add("root", digest_text(r.tree_root));
  w.add_raw("tree", tree.finish_text());
  return w.finish_text();
}

// What a person reads. Free text is quoted, so that it cannot pose as another line.
Result<std::string> lines(const Receipt& r) {
  std::string out(kTitle);
  const auto line = [&](std::string_view label, std::string_view value) {
    out += '\n';
    out += label;
    out += ' ';
    out += value;
  };
  const auto n = [](auto value) { return std::to_string(value); };
  line("task", r.task.str());
  line("agent", quoted(r.agent));
  line("for", r.human ? quoted(*r.human) : "its owner");
  line("purpose", quoted(r.purpose));
  line("reference", quoted(r.reference));
  line("opened", STINT_TRY(instant(r.opened)));
  line("closed", STINT_TRY(instant(r.closed)) + ' ' + std::string(domain::text(r.how)));
  line("decisions", n(r.counts.permitted) + " permitted, " + n(r.counts.denied) + " denied, " +
                        n(r.counts.asked) + " asked");
  line("approvals", n(r.counts.approvals_requested) + " requested, " +
                        n(r.counts.approvals_granted) + " granted, " +
                        n(r.counts.approvals_refused) + " refused");
  line("events", n(r.first_event) + " to " + n(r.last_event) + " of a log of " + n(r.tree_size));
  return out + '\n';
}

Result<std::vector<Receipt::Event>> life_of(const json::Array& array) {
  if (array.size() > kMaxLife) return fail(Errc::kTooLarge, "task life too long");
  std::vector<Receipt::Event> out;
  for (const json::Value& each : array) {
    if (!each.is_object()) return fail(Errc::kMalformed, "receipt member type");
    const json::Object& o = each.get_object();
    const std::int64_t index = STINT_TRY(json::int_at(o, "index"));
    if (index < 0 || (!out.empty() && static_cast<std::uint64_t>(index) <= out.back().index)) {
      return fail(Errc::kMalformed, "receipt's events out of order");
    }
    out.push_back({static_cast<std::uint64_t>(index), STINT_TRY(parsed_at(o, "leaf", digest_of))});
  }
  return out;
}

Result<std::uint64_t> size_at(const json::Object& o, std::string_view key) {
  const std::int64_t value = STINT_TRY(json::int_at(o, key));
  if (value < 0) return fail(Errc::kMalformed, "receipt number range");
  return static_cast<std::uint64_t>(value);
}

Result<Receipt> from_data(const json::Object& o) {
  if (STINT_TRY(json::int_at(o, "v")) != 1) return fail(Errc::kUnsupported, "receipt version");
  Receipt r;
  r.task = STINT_TRY(parsed_at(o, "task", TaskId::parse));
  r.agent = STINT_TRY(json::string_at(o, "agent"));
  if (const auto human = STINT_TRY(json::optional_string_at(o, "human"))) r.human = *human;
  if (const auto parent = STINT_TRY(json::optional_string_at(o, "parent"))) {
    r.parent = STINT_TRY(TaskId::parse(*parent));
  }
  r.purpose = STINT_TRY(json::string_at(o, "purpose"));
  r.reference = STINT_TRY(json::string_at(o, "reference"));
  for (const json::Value& grant : *STINT_TRY(json::array_at(o, "grants"))) {
    r.grants.push_back(STINT_TRY(domain::grant_from_json(grant)));
  }
  r.opened = STINT_TRY(parsed_at(o, "opened", parse_instant));
  r.closed = STINT_TRY(parsed_at(o, "closed", parse_instant));
  r.how = STINT_TRY(parsed_at(o, "how", domain::parse_how));
  const json::Object& spend = *STINT_TRY(json::object_at(o, "spend"));
  r.spend.requests = STINT_TRY(json::int_at(spend, "requests"));
  r.spend.bytes_out = STINT_TRY(json::int_at(spend, "bytes_out"));
  const json::Object& counts = *STINT_TRY(json::object_at(o, "counts"));
  for (const Count& c : kCounts) r.counts.*c.value = STINT_TRY(json::int_at(counts, c.key));
  r.first_event = STINT_TRY(size_at(o, "first_event"));
  r.last_event = STINT_TRY(size_at(o, "last_event"));
  const json::Array& life = *STINT_TRY(json::array_at(o, "life"));
  r.life = STINT_TRY(life_of(life));
  const json::Object& tree = *STINT_TRY(json::object_at(o, "tree"));
  r.tree_size = STINT_TRY(size_at(tree, "size"));
  r.tree_root = STINT_TRY(parsed_at(tree, "root", digest_of));
  return r;
}

}  // namespace

Result<std::string> text(const Receipt& receipt) {
  for (const std::string* t : {&receipt.agent, &receipt.purpose, &receipt.reference}) {
    if (!codec::is_utf8(*t)) return fail(Errc::kMalformed, "receipt text not utf-8");
  }
  std::string out = STINT_TRY(lines(receipt)) + STINT_TRY(data(receipt)) + '\n';
  if (out.size() > kMaxReceiptBytes) return fail(Errc::kTooLarge, "receipt too large");
  return out;
}

Result<Receipt> parse_receipt(std::string_view note_text) {
  if (note_text.size() > kMaxReceiptBytes) return fail(Errc::kTooLarge, "receipt too large");
  if (!note_text.starts_with(std::string(kTitle) + '\n')) {
    return fail(Errc::kMalformed, "not a receipt");
  }
  if (!note_text.ends_with('\n')) return fail(Errc::kMalformed, "receipt cut short");
  const std::string_view body = note_text.substr(0, note_text.size() - 1);
  const std::string_view last = body.substr(body.rfind('\n') + 1);
  const json::Object object =
      STINT_TRY(json::parse_object(last, {.bytes = kMaxReceiptBytes, .depth = 8}));
  Receipt receipt = STINT_TRY(from_data(object));
  if (STINT_TRY(data(receipt)) != last) return fail(Errc::kMalformed, "receipt not canonical");
  if (STINT_TRY(text(receipt)) != note_text) {
    return fail(Errc::kMalformed, "receipt lines differ from its data");
  }
  return receipt;
}

}  // namespace stint::audit
