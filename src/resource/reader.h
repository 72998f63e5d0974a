#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "report.h"
#include "shape.h"
#include "stint/codec/yaml.h"
#include "stint/resource/parse.h"

namespace stint::resource {

// Reads documents into resources and remembers what they name, so that references can be checked
// when all files are read. A document with a problem declares its name all the same: one mistake
// must not be reported again at everything that refers to it.
class Reader {
 public:
  Reader(Report& report, const Lookup& lookup) : report_(report), lookup_(lookup) {}

  void document(const std::string& file, const yaml::Node& node);
  void policy(const std::string& file, std::string text);
  // Names that exist elsewhere.
  void know(const Resources& existing);
  // Dangling references, and policies against the vocabulary of everything declared.
  void finish();
  Resources take() { return std::move(out_); }
  std::size_t count() const { return count_; }

 private:
  struct Position {
    std::string file;
    int line, column;
  };
  struct Reference {
    std::vector<Kind> kinds;
    std::string name;
    Position at;
  };

  void human(const yaml::Node& doc);
  void group(const yaml::Node& doc);
  void agent(const yaml::Node& doc);
  void upstream(const yaml::Node& doc);
  void credential(const yaml::Node& doc);
  void issuer(const yaml::Node& doc);

  bool declare(Kind kind, const yaml::Node& doc);
  void refer(std::initializer_list<Kind> kinds, const yaml::Node& name);
  std::string file_text(const yaml::Node& path);
  std::string keys(const yaml::Node& at, std::string_view text, bool of_issuer);
  void trust(const yaml::Node& node, Agent& agent);
  void inject(const yaml::Node& node, Upstream& upstream);
  void actions(const yaml::Node& node, Upstream& upstream);
  void routes(const yaml::Node& node, const Upstream& upstream);
  std::string upstream_url(const yaml::Node& node);
  bool usable_url(const yaml::Node& node);
  std::vector<std::string> names(const yaml::Node& doc, std::string_view key);
  void check_policies();

  Report& report_;
  const Lookup& lookup_;
  std::map<Kind, std::map<std::string, Position, std::less<>>> declared_;
  std::vector<Reference> references_;
  std::set<std::string> actions_;
  std::size_t count_ = 0;
  Resources out_;
};

}  // namespace stint::resource
