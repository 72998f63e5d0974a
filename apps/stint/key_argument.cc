#include "key_argument.h"

#include <algorithm>
#include <array>

namespace stint::cli {
namespace {

constexpr std::size_t kKid = 43;  // base64url of a SHA-256 (RFC 7638); no option is as long

bool is_key(const std::string& word) {
  return word.size() == kKid && word.front() == '-' && std::ranges::all_of(word, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

}  // namespace

std::vector<std::string> with_key_last(std::vector<std::string> words) {
  constexpr std::array<std::string_view, 2> kVerb{"keys", "revoke"};
  const auto verb = std::ranges::search(words, kVerb);
  if (verb.empty() || std::ranges::find(words, "--") != words.end()) return words;
  const auto key = std::find_if(verb.end(), words.end(), is_key);
  if (key == words.end()) return words;
  std::rotate(key, key + 1, words.end());
  words.insert(words.end() - 1, "--");
  return words;
}

}  // namespace stint::cli
