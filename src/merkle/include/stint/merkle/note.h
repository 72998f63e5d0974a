#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/crypto/sign.h"

namespace stint::merkle {

// C2SP signed-note v1.0.0. Text that ends in LF, a blank line, and lines
// "— <name> base64(key id || signature)". Signature type Ed25519 (0x01).
inline constexpr std::size_t kMaxNoteBytes = 1024 * 1024;
inline constexpr std::size_t kMaxNoteSignatures = 100;

struct NoteSignature {
  std::string name;
  std::uint32_t key_id;
  std::string bytes;  // after the key id
};

// Well formed, nothing verified. Errors: kTooLarge, kMalformed with what is wrong.
struct Note {
  std::string text;  // ends in LF; the signed bytes
  std::vector<NoteSignature> signatures;
};
Result<Note> parse_note(std::string_view bytes);

// A name without spaces and '+', not empty, valid UTF-8 without control characters.
bool is_key_name(std::string_view name);

// The public half: "name+hash+base64(0x01 || key)". A value; threads: any.
class NoteKey {
 public:
  static Result<NoteKey> make(std::string name, crypto::PublicKey ed25519);
  static Result<NoteKey> parse(std::string_view vkey);  // kMalformed; kUnsupported: other types
  std::string str() const;
  const std::string& name() const { return name_; }
  std::uint32_t id() const { return id_; }
  Status verify(std::string_view text, std::string_view signature) const;

 private:
  NoteKey(std::string name, crypto::PublicKey key, std::uint32_t id)
      : name_(std::move(name)), key_(std::move(key)), id_(id) {}
  std::string name_;
  crypto::PublicKey key_;
  std::uint32_t id_;
};

// Proof that at least one of the given keys signed the text and that none of them failed.
class VerifiedNote {
 public:
  const std::string& text() const { return text_; }
  // Names of the given keys that signed, in the note's order.
  const std::vector<std::string>& signers() const { return signers_; }

 private:
  friend Result<VerifiedNote> verify_note(std::string_view, std::span<const NoteKey>);
  std::string text_;
  std::vector<std::string> signers_;
};

// Unknown keys are ignored; a known key whose signature fails refuses the note.
// Errors: parse_note's; kBadSignature "note signature does not verify";
//         kWrongKey "note bears no signature of a known key".
Result<VerifiedNote> verify_note(std::string_view bytes, std::span<const NoteKey> keys);

// Borrows the key for the call. Errors: kMalformed when the text is not a note's (no final LF,
// control characters, invalid UTF-8), kWrongType for a key that is not Ed25519.
Result<std::string> sign_note(std::string_view text, std::string_view name,
                              const crypto::PrivateKey& key);

}  // namespace stint::merkle
