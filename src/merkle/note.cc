#include "stint/merkle/note.h"

#include <algorithm>

#include "stint/codec/base64.h"
#include "stint/codec/hex.h"
#include "stint/codec/utf8.h"
#include "stint/crypto/digest.h"

namespace stint::merkle {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // U+2014, space
constexpr char kEd25519 = '\x01';
constexpr std::size_t kIdBytes = 4;
constexpr std::size_t kMaxKeyText = 1024;

std::string id_bytes(std::uint32_t id) {
  return {static_cast<char>(id >> 24), static_cast<char>(id >> 16), static_cast<char>(id >> 8),
          static_cast<char>(id)};
}

std::uint32_t read_id(std::string_view bytes) {
  std::uint32_t id = 0;
  for (std::size_t i = 0; i < kIdBytes; ++i) id = id << 8 | static_cast<std::uint8_t>(bytes[i]);
  return id;
}

std::uint32_t key_id(std::string_view name, std::string_view key) {
  std::string input(name);
  input += '\n';
  input += kEd25519;
  input += key;
  return read_id(crypto::view(crypto::sha256(input)));
}

// Valid UTF-8 without control characters other than LF.
bool is_note_text(std::string_view text) {
  return codec::is_utf8(text) && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 && c != '\n';
         });
}

// What Unicode calls White_Space, above ASCII, as UTF-8.
constexpr std::string_view kSpaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
    "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
    "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kDash)) return fail(Errc::kMalformed, "note signature without dash");
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return fail(Errc::kMalformed, "note signature without name");
  }
  const std::string_view name = line.substr(0, space);
  if (!is_key_name(name)) return fail(Errc::kMalformed, "note key name");
  const auto bytes = codec::decode_base64(line.substr(space + 1));
  if (!bytes) return fail(Errc::kMalformed, "note signature not base64");
  if (bytes->size() <= kIdBytes) return fail(Errc::kMalformed, "note signature too short");
  return NoteSignature{std::string(name), read_id(*bytes), bytes->substr(kIdBytes)};
}

}  // namespace

bool is_key_name(std::string_view name) {
  if (name.empty() || !codec::is_utf8(name)) return false;
  const auto plain = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != '+'; };
  return std::ranges::all_of(name, plain) && std::ranges::none_of(kSpaces, [&](auto space) {
           return name.find(space) != std::string_view::npos;
         });
}

Result<Note> parse_note(std::string_view bytes) {
  if (bytes.size() > kMaxNoteBytes) return fail(Errc::kTooLarge, "note too large");
  if (!is_note_text(bytes)) return fail(Errc::kMalformed, "note not plain UTF-8");
  if (!bytes.ends_with('\n')) return fail(Errc::kMalformed, "note without final newline");
  // The text may hold blank lines; the last one separates.
  const std::size_t blank = bytes.rfind("\n\n");
  if (blank == std::string_view::npos) return fail(Errc::kMalformed, "note without blank line");
  Note note;
  note.text = bytes.substr(0, blank + 1);
  std::string_view rest = bytes.substr(blank + 2);
  if (rest.empty()) return fail(Errc::kMalformed, "note without signature");
  while (!rest.empty()) {
    if (note.signatures.size() == kMaxNoteSignatures) {
      return fail(Errc::kTooLarge, "note with too many signatures");
    }
    const std::size_t end = rest.find('\n');
    note.signatures.push_back(STINT_TRY(parse_signature(rest.substr(0, end))));
    rest.remove_prefix(end + 1);
  }
  return note;
}

Result<NoteKey> NoteKey::make(std::string name, crypto::PublicKey ed25519) {
  if (!is_key_name(name)) return fail(Errc::kMalformed, "note key name");
  if (ed25519.kind() != crypto::KeyKind::kEd25519) {
    return fail(Errc::kWrongType, "note key not Ed25519");
  }
  const std::uint32_t id = key_id(name, ed25519.first());
  return NoteKey(std::move(name), std::move(ed25519), id);
}

Result<NoteKey> NoteKey::parse(std::string_view vkey) {
  if (vkey.size() > kMaxKeyText) return fail(Errc::kMalformed, "verifier key too long");
  const std::size_t first = vkey.find('+');
  const std::size_t second = first == std::string_view::npos ? first : vkey.find('+', first + 1);
  if (second == std::string_view::npos) return fail(Errc::kMalformed, "verifier key form");
  const auto key = codec::decode_base64(vkey.substr(second + 1));
  if (!key || key->empty()) return fail(Errc::kMalformed, "verifier key not base64");
  if (key->front() != kEd25519) return fail(Errc::kUnsupported, "verifier key type not Ed25519");
  auto made = make(std::string(vkey.substr(0, first)),
                   STINT_TRY(crypto::PublicKey::from_ed25519(std::string_view(*key).substr(1))));
  // The written id must be the one that the key has: a cut or mistyped key is caught here.
  if (made && made->str() != vkey) return fail(Errc::kMalformed, "verifier key id does not match");
  return made;
}

std::string NoteKey::str() const {
  return name_ + '+' + codec::encode_hex(id_bytes(id_)) + '+' +
         codec::encode_base64(std::string(1, kEd25519) + std::string(key_.first()));
}

Status NoteKey::verify(std::string_view text, std::string_view signature) const {
  return key_.verify(crypto::Alg::kEdDSA, text, signature);
}

Result<VerifiedNote> verify_note(std::string_view bytes, std::span<const NoteKey> keys) {
  Note note = STINT_TRY(parse_note(bytes));
  VerifiedNote verified;
  for (const NoteSignature& signature : note.signatures) {
    const auto key = std::ranges::find_if(keys, [&](const NoteKey& k) {
      return k.name() == signature.name && k.id() == signature.key_id;
    });
    if (key == keys.end()) continue;
    if (!key->verify(note.text, signature.bytes)) {
      return fail(Errc::kBadSignature, "note signature does not verify");
    }
    verified.signers_.push_back(signature.name);
  }
  if (verified.signers_.empty()) {
    return fail(Errc::kWrongKey, "note bears no signature of a known key");
  }
  verified.text_ = std::move(note.text);
  return verified;
}

Result<std::string> sign_note(std::string_view text, std::string_view name,
                              const crypto::PrivateKey& key) {
  if (text.size() > kMaxNoteBytes / 2) return fail(Errc::kTooLarge, "note too large");
  if (!text.ends_with('\n')) return fail(Errc::kMalformed, "note without final newline");
  if (!is_note_text(text)) return fail(Errc::kMalformed, "note not plain UTF-8");
  const NoteKey own = STINT_TRY(NoteKey::make(std::string(name), key.public_key()));
  const std::string signature = STINT_TRY(key.sign(text));
  std::string out(text);
  out += '\n';
  out += kDash;
  out += name;
  out += ' ';
  out += codec::encode_base64(id_bytes(own.id()) + signature);
  out += '\n';
  return out;
}

}  // namespace stint::merkle
