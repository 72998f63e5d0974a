#include "stint/merkle/proof_file.h"

#include <algorithm>
#include <charconv>

#include "stint/codec/base64.h"

namespace stint::merkle {
namespace {

constexpr std::string_view kTitle = "c2sp.org/tlog-proof@v1\n";
constexpr std::size_t kMaxHashes = 64;
constexpr std::size_t kMaxExtra = 64 * 1024;

// The rest of the line after `label` and a space, or nothing.
bool take_labelled(std::string_view& rest, std::string_view label, std::string_view& value) {
  if (!rest.starts_with(label)) return false;
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return false;
  value = rest.substr(label.size(), end - label.size());
  rest.remove_prefix(end + 1);
  return true;
}

}  // namespace

std::string text(const ProofFile& proof) {
  std::string out(kTitle);
  if (!proof.extra.empty()) out += "extra " + codec::encode_base64(proof.extra) + '\n';
  out += "index " + std::to_string(proof.index) + '\n';
  for (const Hash& hash : proof.hashes) out += codec::encode_base64(view(hash)) + '\n';
  out += '\n';
  out += proof.checkpoint;
  return out;
}

Result<ProofFile> parse_proof_file(std::string_view whole) {
  if (whole.size() > kMaxNoteBytes) return fail(Errc::kTooLarge, "proof file too large");
  std::string_view rest = whole;
  if (!rest.starts_with(kTitle)) return fail(Errc::kMalformed, "not a tlog-proof@v1 file");
  rest.remove_prefix(kTitle.size());

  ProofFile proof;
  std::string_view value;
  if (take_labelled(rest, "extra ", value)) {
    const auto bytes = codec::decode_base64(value);
    if (!bytes || bytes->empty() || bytes->size() > kMaxExtra) {
      return fail(Errc::kMalformed, "proof file's extra data");
    }
    proof.extra = *bytes;
  }
  if (!take_labelled(rest, "index ", value)) {
    return fail(Errc::kMalformed, "proof file without index");
  }
  const char* end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, proof.index);
  if (error != std::errc{} || at != end || std::to_string(proof.index) != value) {
    return fail(Errc::kMalformed, "proof file's index not a plain decimal");
  }
  while (!rest.starts_with('\n')) {
    if (proof.hashes.size() == kMaxHashes) return fail(Errc::kTooLarge, "proof file too long");
    if (!take_labelled(rest, "", value)) return fail(Errc::kMalformed, "proof file cut short");
    const auto bytes = codec::decode_base64(value);
    if (!bytes || bytes->size() != sizeof(Hash)) {
      return fail(Errc::kMalformed, "proof file's hash not 32 bytes of base64");
    }
    std::ranges::copy(*bytes, proof.hashes.emplace_back().begin());
  }
  proof.checkpoint = rest.substr(1);
  return proof;
}

Result<Checkpoint> verify_proof_file(const ProofFile& proof, std::string_view entry,
                                     std::span<const NoteKey> keys) {
  const Checkpoint head = STINT_TRY(verify_checkpoint(proof.checkpoint, keys));
  STINT_TRY(verify_inclusion(proof.index, head.size, leaf_hash(entry), proof.hashes, head.root));
  return head;
}

}  // namespace stint::merkle
