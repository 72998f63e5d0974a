// stint-verify: checks an exported log, a receipt or a proof from files alone.
//
// Exit: 0 everything is as signed; 1 something is wrong, said on stdout; 2 wrong usage.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "log_files.h"
#include "stint/audit/log_check.h"
#include "stint/merkle/proof_file.h"

namespace stint::verify {
namespace {

constexpr int kFine = 0, kWrong = 1, kUsage = 2;

struct Options {
  std::string log, file, entry, older;
  std::vector<std::string> keys;
  bool json = false;
};

int usage(std::string_view what) {
  fmt::print(stderr, "stint-verify: {}\n", what);
  return kUsage;
}

// What was asked cannot be tried at all: a mistake of the caller's, not evidence.
std::optional<std::string> input(const std::string& path, int& exit) {
  auto bytes = read_file(path, merkle::kMaxNoteBytes);
  if (bytes) return *std::move(bytes);
  exit = usage(fmt::format("{}: {}", path, bytes.error().reason.text()));
  return std::nullopt;
}

// A key's text, or @FILE that holds it.
std::optional<std::vector<merkle::NoteKey>> read_keys(const std::vector<std::string>& texts,
                                                      int& exit) {
  std::vector<merkle::NoteKey> keys;
  for (std::string text : texts) {
    if (text.starts_with('@')) {
      auto bytes = input(text.substr(1), exit);
      if (!bytes) return std::nullopt;
      text = std::move(*bytes);
      while (text.ends_with('\n')) text.pop_back();
    }
    auto key = merkle::NoteKey::parse(text);
    if (!key) {
      exit = usage(fmt::format("--key: {}", key.error().reason.text()));
      return std::nullopt;
    }
    keys.push_back(*std::move(key));
  }
  return keys;
}

boost::json::object to_json(const audit::LogReport& r) {
  boost::json::object out{{"ok", r.ok()},
                          {"origin", r.head.origin},
                          {"size", r.head.size},
                          {"signer", r.signer},
                          {"entries_read", r.entries}};
  boost::json::object kinds;
  for (const auto& [kind, count] : r.by_kind) kinds[kind] = count;
  out["events"] = std::move(kinds);
  boost::json::array problems;
  for (const audit::Problem& p : r.problems) {
    boost::json::object each{{"what", p.what}};
    if (p.first) each["first_entry"] = *p.first;
    if (p.last) each["last_entry"] = *p.last;
    if (!p.kind.empty()) each["kind"] = p.kind;
    if (!p.file.empty()) each["file"] = p.file;
    problems.push_back(std::move(each));
  }
  out["problems"] = std::move(problems);
  out["more_problems"] = r.more_problems;
  if (r.receipt) out["task"] = r.receipt->task.str();
  return out;
}

void print(const audit::LogReport& r) {
  for (const audit::Problem& p : r.problems) fmt::print("{}\n", audit::text(p));
  if (r.more_problems > 0) fmt::print("and {} more\n", r.more_problems);
  if (!r.ok()) {
    fmt::print("NOT VERIFIED: {} of {} entries read\n", r.entries, r.head.size);
    return;
  }
  if (r.receipt) {
    fmt::print("receipt of {}: verified, with the log it speaks of\n", r.receipt->task.str());
  }
  fmt::print("log {}: {} entries, verified\n", r.head.origin, r.entries);
}

int check(const Options& o, bool with_receipt) {
  int exit = kFine;
  const auto keys = read_keys(o.keys, exit);
  if (!keys) return exit;
  if (!std::filesystem::is_directory(o.log)) return usage(o.log + ": not a directory");
  audit::LogCheck c;
  c.read = [&](const std::string& path) {
    return read_file(std::filesystem::path(o.log) / path, kMaxLogFile);
  };
  c.keys = *keys;
  if (!o.older.empty()) {
    c.older_checkpoint = input(o.older, exit);
    if (!c.older_checkpoint) return exit;
  }
  if (with_receipt) {
    c.receipt = input(o.file, exit);
    if (!c.receipt) return exit;
  }
  const audit::LogReport report = audit::check_log(c);
  if (o.json) {
    fmt::print("{}\n", boost::json::serialize(to_json(report)));
  } else {
    print(report);
  }
  return report.ok() ? kFine : kWrong;
}

int check_proof(const Options& o) {
  int exit = kFine;
  const auto keys = read_keys(o.keys, exit);
  if (!keys) return exit;
  const auto bytes = input(o.file, exit);
  if (!bytes) return exit;
  const auto entry = input(o.entry, exit);
  if (!entry) return exit;

  const auto proof = merkle::parse_proof_file(*bytes);
  const auto head = proof ? merkle::verify_proof_file(*proof, *entry, *keys)
                          : Result<merkle::Checkpoint>(std::unexpected(proof.error()));
  const std::string why(head ? "" : head.error().reason.text());
  const auto kind = audit::kind_of_bytes(*entry).value_or("");
  if (o.json) {
    boost::json::object out{{"ok", head.has_value()}, {"kind", kind}};
    if (proof) out["index"] = proof->index;
    if (head) {
      out["origin"] = head->origin;
      out["size"] = head->size;
    } else {
      out["what"] = why;
    }
    fmt::print("{}\n", boost::json::serialize(out));
  } else if (head) {
    fmt::print("entry {} ({}): in log {} of {} entries, verified\n", proof->index, kind,
               head->origin, head->size);
  } else {
    fmt::print("{}\nNOT VERIFIED\n", why);
  }
  return head ? kFine : kWrong;
}

int run(int argc, char** argv) {
  CLI::App app{"Checks Stint's log, receipts and proofs from files alone: no server, no network."};
  app.require_subcommand(1);
  Options o;
  int exit = kFine;
  const auto common = [&](CLI::App* verb) {
    verb->add_option("--key", o.keys, "verifier key of the log, or @FILE; repeat for former keys")
        ->required();
    verb->add_flag("--json", o.json, "one JSON object on stdout");
  };

  auto* log = app.add_subcommand("log", "every entry, tile and signature of an exported log");
  log->add_option("DIR", o.log, "with checkpoint and tile/ as /log/ serves them")->required();
  log->add_option("--old-checkpoint", o.older, "one kept from before: finds forks and truncation");
  common(log);
  log->callback([&] { exit = check(o, false); });

  auto* receipt = app.add_subcommand("receipt", "a task's receipt, against the log it speaks of");
  receipt->add_option("FILE", o.file)->required();
  receipt->add_option("--log", o.log, "the exported log")->required();
  receipt->add_option("--old-checkpoint", o.older);
  common(receipt);
  receipt->callback([&] { exit = check(o, true); });

  auto* proof = app.add_subcommand("proof", "one entry, by a tlog-proof file, without the log");
  proof->add_option("FILE", o.file, "c2sp.org/tlog-proof@v1")->required();
  proof->add_option("--entry", o.entry, "the entry's bytes")->required();
  common(proof);
  proof->callback([&] { exit = check_proof(o); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kFine : kUsage;
  }
  return exit;
}

}  // namespace
}  // namespace stint::verify

int main(int argc, char** argv) {
  try {
    return stint::verify::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "stint-verify: {}\n", error.what());
    return 2;
  }
}
