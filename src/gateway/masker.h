#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stint::gateway {

// Hides texts (an injected credential) in what comes back, by stars of the same length, so that
// framing stays as it was. Works on a stream: a text cut over any number of reads is found too; at
// most its length less one is held back, and only while it may still be the text. Occurrences that
// overlap are all hidden.
//
// Holds what it looks for for the life of the response, wiped at its end. One thread.
class Masker {
 public:
  Masker() = default;  // hides nothing
  Masker(Masker&&) noexcept = default;
  Masker& operator=(Masker&&) noexcept = default;
  ~Masker();

  void hide(std::string text);  // not empty; before the first feed()
  bool hides() const { return !needles_.empty(); }

  // What may be sent of everything fed so far; the view lives until the next call, and may be one
  // of `bytes`.
  std::string_view feed(std::string_view bytes);
  std::string_view finish();                       // the rest, at the end
  std::string mask(std::string_view whole) const;  // for header values

 private:
  // Marks what is hidden in `text`; returns where an unfinished occurrence may begin.
  std::size_t scan(std::string_view text, std::string& marks, bool& found) const;

  std::vector<std::string> needles_;
  std::string held_, marks_;  // fed and not sent; a mark of 1 hides its byte
  std::string out_;
};

}  // namespace stint::gateway
