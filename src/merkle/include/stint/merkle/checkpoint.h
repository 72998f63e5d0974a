#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "stint/base/error.h"
#include "stint/merkle/hash.h"
#include "stint/merkle/note.h"
#include "stint/merkle/tree.h"

namespace stint::merkle {

// C2SP checkpoint v1.0.0: the text of a note: origin, decimal size, base64 root, a line each.
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};
  bool operator==(const Checkpoint&) const = default;
};

std::string text(const Checkpoint& checkpoint);
// Extension lines are accepted and dropped. Errors: kMalformed with what is wrong.
Result<Checkpoint> parse_checkpoint(std::string_view note_text);

// Signature, form, and that the signing key's name and the origin are the same word (so that a
// key of another log cannot speak for this one). Errors: verify_note's, kMalformed,
// kWrongIssuer "checkpoint origin is not the key's name".
Result<Checkpoint> verify_checkpoint(std::string_view note, std::span<const NoteKey> keys);

// Checks that `now` extends `old`: same origin, not smaller, consistent. Of equal size, the roots
// are equal and the proof is empty; from size 0 the proof is empty.
// Errors: kWrongIssuer "checkpoints of different logs", kConflict "log is shorter than the older
// checkpoint" (truncated) or "log does not extend the older checkpoint" (forked), kMalformed.
Status verify_growth(const Checkpoint& old, const Checkpoint& now, std::span<const Hash> proof);

// Signs the head of the log at `size`, and only after showing, from `nodes`, that it extends the
// one signed before. Returns the whole note. Origin is `name`.
// Errors: those of verify_growth, then nothing is signed; the reader's.
Result<std::string> sign_checkpoint(std::string_view name, const std::optional<Checkpoint>& last,
                                    std::uint64_t size, const NodeReader& nodes,
                                    const crypto::PrivateKey& key);

}  // namespace stint::merkle
