#include "stint/merkle/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "stint/codec/base64.h"
#include "stint/merkle/proof.h"

namespace stint::merkle {
namespace {

// Takes one line off the front, without its LF. Nothing when there is no LF.
std::optional<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

}  // namespace

std::string text(const Checkpoint& checkpoint) {
  return checkpoint.origin + '\n' + std::to_string(checkpoint.size) + '\n' +
         codec::encode_base64(view(checkpoint.root)) + '\n';
}

Result<Checkpoint> parse_checkpoint(std::string_view note_text) {
  std::string_view rest = note_text;
  const auto origin = take_line(rest);
  const auto size = take_line(rest);
  const auto root = take_line(rest);
  if (!root) return fail(Errc::kMalformed, "checkpoint of fewer than three lines");
  if (origin->empty()) return fail(Errc::kMalformed, "checkpoint without origin");

  Checkpoint checkpoint;
  checkpoint.origin = *origin;
  const char* size_end = size->data() + size->size();
  const auto [at, error] = std::from_chars(size->data(), size_end, checkpoint.size);
  if (error != std::errc{} || at != size_end || std::to_string(checkpoint.size) != *size) {
    return fail(Errc::kMalformed, "checkpoint size not a plain decimal");
  }
  const auto hash = codec::decode_base64(*root);
  if (!hash || hash->size() != checkpoint.root.size()) {
    return fail(Errc::kMalformed, "checkpoint root not 32 bytes of base64");
  }
  std::ranges::copy(*hash, checkpoint.root.begin());
  while (!rest.empty()) {
    const auto extension = take_line(rest);
    if (!extension || extension->empty()) {
      return fail(Errc::kMalformed, "checkpoint with empty extension line");
    }
  }
  return checkpoint;
}

Result<Checkpoint> verify_checkpoint(std::string_view note, std::span<const NoteKey> keys) {
  const VerifiedNote verified = STINT_TRY(verify_note(note, keys));
  Checkpoint checkpoint = STINT_TRY(parse_checkpoint(verified.text()));
  if (std::ranges::find(verified.signers(), checkpoint.origin) == verified.signers().end()) {
    return fail(Errc::kWrongIssuer, "checkpoint origin is not the key's name");
  }
  return checkpoint;
}

Status verify_growth(const Checkpoint& old, const Checkpoint& now, std::span<const Hash> proof) {
  if (old.origin != now.origin) return fail(Errc::kWrongIssuer, "checkpoints of different logs");
  if (now.size < old.size) {
    return fail(Errc::kConflict, "log is shorter than the older checkpoint");
  }
  if (old.size == 0) {
    if (old.root != empty_root()) return fail(Errc::kMalformed, "checkpoint of size 0 with a root");
    if (!proof.empty()) return fail(Errc::kMalformed, "consistency proof length");
    return {};
  }
  const Status consistent = verify_consistency(old.size, now.size, old.root, now.root, proof);
  if (!consistent && consistent.error().code == Errc::kBadSignature) {
    return fail(Errc::kConflict, "log does not extend the older checkpoint");
  }
  return consistent;
}

Result<std::string> sign_checkpoint(std::string_view name, const std::optional<Checkpoint>& last,
                                    std::uint64_t size, const NodeReader& nodes,
                                    const crypto::PrivateKey& key) {
  const Checkpoint next{std::string(name), size, STINT_TRY(root_at(size, nodes))};
  if (last) {
    if (size < last->size) {
      return fail(Errc::kConflict, "log is shorter than the older checkpoint");
    }
    const Proof proof = STINT_TRY(consistency_proof(last->size, size, nodes));
    STINT_TRY(verify_growth(*last, next, proof));
  }
  return sign_note(text(next), name, key);
}

}  // namespace stint::merkle
