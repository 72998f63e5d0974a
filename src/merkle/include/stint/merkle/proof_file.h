#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stint/base/error.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/proof.h"

namespace stint::merkle {

// C2SP tlog-proof@v1: one file that shows, offline, that an entry is in a log.
struct ProofFile {
  std::string extra;  // opaque, not authenticated; may be empty
  std::uint64_t index = 0;
  Proof hashes;            // RFC 6962 inclusion proof in the checkpoint's tree
  std::string checkpoint;  // the whole note, verbatim
  bool operator==(const ProofFile&) const = default;
};

std::string text(const ProofFile& proof);
// The strict inverse; the checkpoint is taken as it is. Limits: kMaxNoteBytes, 64 hashes, 64 KiB of
// extra data. Errors: kTooLarge, kMalformed with what is wrong.
Result<ProofFile> parse_proof_file(std::string_view text);

// The checkpoint's signature, and that `entry` is its entry `index`. Returns the checkpoint.
// Errors: verify_checkpoint's, verify_inclusion's.
Result<Checkpoint> verify_proof_file(const ProofFile& proof, std::string_view entry,
                                     std::span<const NoteKey> keys);

}  // namespace stint::merkle
