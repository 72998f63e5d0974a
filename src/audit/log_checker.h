#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "stint/audit/log_check.h"
#include "stint/audit/story.h"
#include "stint/merkle/tile.h"

namespace stint::audit {

// One walk over one log. Two readings are kept side by side, since either may have been edited:
// what the entries hash to, and what the leaf tiles list. The signed root says which of them is
// right.
class LogChecker {
 public:
  explicit LogChecker(const LogCheck& check) : check_(check) {}
  LogReport run();

 private:
  static constexpr std::size_t kMaxKept = 1000;

  struct Changed {
    std::uint64_t index;
    merkle::Hash said, listed;
    std::string kind;
  };
  struct Above {
    std::string file;
    std::uint64_t first, last;
  };

  LogReport finish();
  void add(Problem problem);
  bool read_checkpoint();
  void read_claims();
  Result<std::string> read_tile(merkle::TileId id);
  bool read_bundle();
  std::vector<std::string_view> split(std::string_view bytes, std::uint32_t width,
                                      const merkle::TileId& id);
  std::vector<merkle::Hash> read_leaves(const merkle::TileId& id);
  void read_entry(std::uint64_t index, std::string_view bytes, const merkle::Hash& said,
                  const merkle::Hash& listed);
  void told(const Story::Finding& finding);
  void grow(const std::vector<merkle::Hash>& said, const std::vector<merkle::Hash>& listed);
  void check_partials();
  void check_tile(const merkle::TileData& said, const merkle::TileData& listed);
  void judge_hashes();
  void judge_older();
  void judge_receipt();
  std::optional<merkle::Hash> root_at(std::uint64_t size) const;

  const LogCheck& check_;
  LogReport report_;
  std::uint64_t next_ = 0;
  merkle::TileBuilder by_entries_, by_tiles_;
  bool by_entries_right_ = false, by_tiles_right_ = false;
  std::vector<Changed> changed_;
  std::vector<Above> above_;
  std::vector<Problem> told_;  // what the entries say wrongly
  Story story_;
  std::optional<merkle::Checkpoint> older_;
  std::map<std::uint64_t, std::pair<merkle::Hash, merkle::Hash>> roots_at_;
  std::optional<ReceiptBuilder> recount_;
  std::optional<Error> recount_error_;
};

}  // namespace stint::audit
