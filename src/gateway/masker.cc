#include "masker.h"

#include <algorithm>

#include "stint/crypto/wipe.h"

namespace stint::gateway {
namespace {

void put_stars(std::string& text, std::string_view marks) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (marks[i] != 0) text[i] = '*';
}

}  // namespace

Masker::~Masker() {
  for (auto& needle : needles_) crypto::wipe(needle);
  crypto::wipe(held_);
  crypto::wipe(out_);
}

void Masker::hide(std::string text) {
  if (!text.empty()) needles_.push_back(std::move(text));
}

std::size_t Masker::scan(std::string_view text, std::string& marks, bool& found) const {
  std::size_t unfinished = text.size();
  for (const std::string_view needle : needles_) {
    for (std::size_t at = text.find(needle); at != std::string_view::npos;
         at = text.find(needle, at + 1)) {
      found = true;
      marks.resize(std::max(marks.size(), text.size()));
      std::fill_n(marks.begin() + static_cast<std::ptrdiff_t>(at), needle.size(), char{1});
    }
    // A tail that is a beginning of the needle waits for the next bytes.
    for (std::size_t n = std::min(text.size(), needle.size() - 1); n > 0; --n) {
      if (text.substr(text.size() - n) == needle.substr(0, n)) {
        unfinished = std::min(unfinished, text.size() - n);
        break;
      }
    }
  }
  return unfinished;
}

std::string_view Masker::feed(std::string_view bytes) {
  if (needles_.empty()) return bytes;
  bool found = false;
  if (held_.empty()) {  // nearly always: nothing to hide, nothing to hold, nothing to copy
    marks_.clear();
    if (scan(bytes, marks_, found) == bytes.size() && !found) return bytes;
  }
  held_.append(bytes);
  const std::size_t ready = scan(held_, marks_, found);
  marks_.resize(held_.size());
  out_.assign(held_, 0, ready);
  put_stars(out_, marks_);
  held_.erase(0, ready);
  marks_.erase(0, ready);
  return out_;
}

std::string_view Masker::finish() {
  put_stars(held_, marks_);
  out_.swap(held_);
  held_.clear();
  marks_.clear();
  return out_;
}

std::string Masker::mask(std::string_view whole) const {
  std::string text(whole), marks;
  bool found = false;
  scan(whole, marks, found);
  if (found) put_stars(text, marks);
  return text;
}

}  // namespace stint::gateway
