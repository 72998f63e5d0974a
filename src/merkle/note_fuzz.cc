#include <cstdlib>

#include "stint/codec/base64.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/note.h"
#include "stint/merkle/proof_file.h"

// Oracles: a note that parses, written again from its parts, is the same bytes; a checkpoint that
// parses is a prefix of the text it came from (extension lines are dropped); a proof file has one
// text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto note = merkle::parse_note(bytes)) {
    std::string again = note->text + '\n';
    for (const auto& s : note->signatures) {
      std::string blob;
      for (int shift = 24; shift >= 0; shift -= 8) {
        blob += static_cast<char>(s.key_id >> shift);
      }
      again += "\xe2\x80\x94 " + s.name + ' ' + codec::encode_base64(blob + s.bytes) + '\n';
    }
    if (again != bytes) std::abort();
    // Nothing is verified without a key.
    if (merkle::verify_note(bytes, {})) std::abort();
    if (const auto checkpoint = merkle::parse_checkpoint(note->text)) {
      if (!std::string_view(note->text).starts_with(merkle::text(*checkpoint))) std::abort();
    }
  }
  if (const auto checkpoint = merkle::parse_checkpoint(bytes)) {
    if (!bytes.starts_with(merkle::text(*checkpoint))) std::abort();
  }
  if (const auto key = merkle::NoteKey::parse(bytes); key && key->str() != bytes) std::abort();
  if (const auto proof = merkle::parse_proof_file(bytes); proof && merkle::text(*proof) != bytes) {
    std::abort();
  }
  return 0;
}
