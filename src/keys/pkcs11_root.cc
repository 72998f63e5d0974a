#include "stint/keys/pkcs11_root.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <string.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

namespace stint::keys {
namespace {

constexpr store::Sql kWrapped = "SELECT value FROM meta WHERE key = 'root_wrapped'";
constexpr store::Sql kPutWrapped = "INSERT INTO meta (key, value) VALUES ('root_wrapped', $1)";
constexpr store::Sql kAnyKey = "SELECT 1 FROM signing_key LIMIT 1";

// version 1 | nonce 12 | ciphertext 32 | tag 16.
constexpr char kVersion = 1;
constexpr std::size_t kNonce = 12, kTag = 16;
constexpr std::size_t kSize = 1 + kNonce + crypto::RootKey::kSize + kTag;
constexpr std::string_view kAad = "stint root key v1";

struct WipedAtEnd {
  std::string& text;
  ~WipedAtEnd() { explicit_bzero(text.data(), text.capacity()); }
};

using Uri = std::unique_ptr<P11KitUri, decltype(&p11_kit_uri_free)>;

Result<Uri> parse_uri(const std::string& text) {
  Uri uri(p11_kit_uri_new(), &p11_kit_uri_free);
  if (!uri || p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri.get()) != P11_KIT_URI_OK ||
      p11_kit_uri_any_unrecognized(uri.get()) != 0)
    return fail(Errc::kMalformed, "not a PKCS#11 URI (RFC 7512)");
  if (p11_kit_uri_get_pin_value(uri.get()) != nullptr)
    return fail(Errc::kMalformed, "the PIN does not belong in the PKCS#11 URI");
  return uri;
}

// What the URI says of the object, and that it is an AES key whatever it says.
Result<std::vector<CK_ATTRIBUTE>> wanted(P11KitUri* uri) {
  static CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  static CK_KEY_TYPE aes = CKK_AES;
  std::vector<CK_ATTRIBUTE> out{{CKA_CLASS, &secret, sizeof secret},
                                {CKA_KEY_TYPE, &aes, sizeof aes}};
  for (const CK_ATTRIBUTE_TYPE type : {CKA_LABEL, CKA_ID})
    if (const CK_ATTRIBUTE* a = p11_kit_uri_get_attribute(uri, type)) out.push_back(*a);
  if (out.size() == 2) return fail(Errc::kMalformed, "the PKCS#11 URI names no object");
  return out;
}

// A loaded module, a session with one token, and the key in it. Left in order at the end, whatever
// happened: the next one to use the token must not find us logged in.
class Token {
 public:
  Token() = default;
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
  ~Token() {
    if (logged_in_) module_->C_Logout(session_);
    if (session_ != 0) module_->C_CloseSession(session_);
    if (initialized_) p11_kit_module_finalize(module_);
    if (module_ != nullptr) p11_kit_module_release(module_);
  }

  Status open(const Pkcs11Source& source, std::string& pin) {
    const Uri uri = STINT_TRY(parse_uri(source.uri));
    auto key = STINT_TRY(wanted(uri.get()));
    STINT_TRY(load(source.module));
    STINT_TRY(connect(uri.get()));
    STINT_TRY(login(pin));
    return find(key);
  }

  Result<std::string> encrypt(std::string_view nonce, std::string& plain) {
    std::string out(plain.size() + kTag, '\0');
    unsigned long size = out.size();
    Gcm gcm(nonce);
    if (module_->C_EncryptInit(session_, &gcm.mechanism, key_) != CKR_OK ||
        module_->C_Encrypt(session_, bytes(plain), plain.size(), bytes(out), &size) != CKR_OK ||
        size != out.size())
      return fail(Errc::kIo, "the PKCS#11 token failed");
    return out;
  }

  Result<std::string> decrypt(std::string_view nonce, std::string sealed) {
    // Tokens ask for room for the tag too before they say how much they wrote.
    std::string out(sealed.size(), '\0');
    const WipedAtEnd wiped{out};
    unsigned long size = out.size();
    Gcm gcm(nonce);
    if (module_->C_DecryptInit(session_, &gcm.mechanism, key_) != CKR_OK)
      return fail(Errc::kIo, "the PKCS#11 token failed");
    if (module_->C_Decrypt(session_, bytes(sealed), sealed.size(), bytes(out), &size) != CKR_OK ||
        size != crypto::RootKey::kSize)
      return fail(Errc::kWrongKey, "the PKCS#11 key does not open the store's root key");
    return out.substr(0, size);
  }

 private:
  struct Gcm {
    explicit Gcm(std::string_view given) : nonce(given), aad(kAad) {
      parameters = {.iv_ptr = bytes(nonce),
                    .iv_len = nonce.size(),
                    .iv_bits = nonce.size() * 8,
                    .aad_ptr = bytes(aad),
                    .aad_len = aad.size(),
                    .tag_bits = kTag * 8};
      mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
    }
    Gcm(const Gcm&) = delete;
    std::string nonce, aad;
    CK_GCM_PARAMS parameters{};
    CK_MECHANISM mechanism{};
  };

  static unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

  Status load(const std::string& path) {
    p11_kit_be_quiet();  // what goes wrong is said here, once
    if (::access(path.c_str(), R_OK) != 0) return fail(Errc::kMissing, "PKCS#11 module is missing");
    module_ = p11_kit_module_load(path.c_str(), P11_KIT_MODULE_UNMANAGED | P11_KIT_MODULE_CRITICAL);
    if (module_ == nullptr) return fail(Errc::kUnsupported, "PKCS#11 module cannot be loaded");
    if (p11_kit_module_initialize(module_) != CKR_OK)
      return fail(Errc::kUnsupported, "PKCS#11 module cannot be loaded");
    initialized_ = true;
    return {};
  }

  Status connect(P11KitUri* uri) {
    unsigned long count = 0;
    if (module_->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK)
      return fail(Errc::kIo, "the PKCS#11 token failed");
    std::vector<CK_SLOT_ID> slots(count);
    if (module_->C_GetSlotList(CK_TRUE, slots.data(), &count) != CKR_OK)
      return fail(Errc::kIo, "the PKCS#11 token failed");
    slots.resize(count);
    std::vector<CK_SLOT_ID> matching;
    for (const CK_SLOT_ID slot : slots) {
      CK_TOKEN_INFO token{};
      CK_SLOT_INFO info{};
      if (module_->C_GetTokenInfo(slot, &token) != CKR_OK ||
          module_->C_GetSlotInfo(slot, &info) != CKR_OK)
        continue;
      const CK_SLOT_ID asked = p11_kit_uri_get_slot_id(uri);
      if (p11_kit_uri_match_token_info(uri, &token) == 1 &&
          p11_kit_uri_match_slot_info(uri, &info) == 1 &&
          (asked == static_cast<CK_SLOT_ID>(-1) || asked == slot))
        matching.push_back(slot);
    }
    if (matching.empty()) return fail(Errc::kNotFound, "no such PKCS#11 token");
    if (matching.size() > 1) return fail(Errc::kConflict, "several PKCS#11 tokens match");
    if (module_->C_OpenSession(matching.front(), CKF_SERIAL_SESSION, nullptr, nullptr, &session_) !=
        CKR_OK)
      return fail(Errc::kIo, "the PKCS#11 token failed");
    return {};
  }

  Status login(std::string& pin) {
    switch (module_->C_Login(session_, CKU_USER, bytes(pin), pin.size())) {
      case CKR_OK:
        logged_in_ = true;
        return {};
      case CKR_USER_ALREADY_LOGGED_IN:
        return {};
      case CKR_PIN_INCORRECT:
      case CKR_PIN_INVALID:
      case CKR_PIN_LEN_RANGE:
        return fail(Errc::kDenied, "the PKCS#11 PIN is wrong");
      case CKR_PIN_LOCKED:
        return fail(Errc::kDenied, "the PKCS#11 PIN is locked");
      default:
        return fail(Errc::kIo, "the PKCS#11 token failed");
    }
  }

  Status find(std::vector<CK_ATTRIBUTE>& attributes) {
    CK_OBJECT_HANDLE found[2]{};
    unsigned long count = 0;
    if (module_->C_FindObjectsInit(session_, attributes.data(), attributes.size()) != CKR_OK)
      return fail(Errc::kIo, "the PKCS#11 token failed");
    const auto searched = module_->C_FindObjects(session_, found, 2, &count);
    module_->C_FindObjectsFinal(session_);
    if (searched != CKR_OK) return fail(Errc::kIo, "the PKCS#11 token failed");
    if (count == 0) return fail(Errc::kNotFound, "the PKCS#11 token has no such AES key");
    if (count > 1) return fail(Errc::kConflict, "several PKCS#11 keys match");
    key_ = found[0];
    return {};
  }

  CK_FUNCTION_LIST* module_ = nullptr;
  bool initialized_ = false, logged_in_ = false;
  CK_SESSION_HANDLE session_ = 0;
  CK_OBJECT_HANDLE key_ = 0;
};

Result<crypto::RootKey> unwrap(Token& token, const std::string& blob) {
  if (blob.size() != kSize || blob[0] != kVersion)
    return fail(Errc::kWrongKey, "the PKCS#11 key does not open the store's root key");
  std::string plain =
      STINT_TRY(token.decrypt(std::string_view(blob).substr(1, kNonce), blob.substr(1 + kNonce)));
  return crypto::RootKey::from_bytes(std::move(plain));
}

Result<NewRoot> wrap_new(Token& token, Entropy& entropy) {
  auto key = crypto::RootKey::generate(entropy);
  std::string plain = key.export_plain();
  const WipedAtEnd wiped{plain};
  const auto random = random_bytes<kNonce>(entropy);
  const std::string nonce(random.begin(), random.end());
  std::string blob(1, kVersion);
  blob += nonce;
  blob += STINT_TRY(token.encrypt(nonce, plain));
  // What cannot be unwrapped tomorrow must not seal anything today.
  if (STINT_TRY(unwrap(token, blob)).id() != key.id())
    return fail(Errc::kIo, "the PKCS#11 token failed");
  return NewRoot{.key = std::move(key), .salt = {}, .wrapped = std::move(blob)};
}

struct Kept {
  std::optional<std::string> wrapped;
  bool in_use = false;
};
Result<Kept> kept_in(store::Store& store) {
  return store.read([](store::Reader& r) {
    return Kept{r.one<std::string>(kWrapped), r.one<std::int64_t>(kAnyKey).has_value()};
  });
}

}  // namespace

Result<crypto::RootKey> root_key_from_pkcs11(const Pkcs11Source& source, std::string&& pin,
                                             store::Store& store, bool create, Entropy& entropy) {
  const WipedAtEnd wiped{pin};
  auto kept = STINT_TRY(kept_in(store));
  // What is sealed there is sealed under some other key: a new one would open none of it.
  if (!kept.wrapped && (kept.in_use || !create))
    return fail(Errc::kMissing, "the store keeps no root key for a PKCS#11 token");
  Token token;
  STINT_TRY(token.open(source, pin));
  if (kept.wrapped) return unwrap(token, *kept.wrapped);
  const auto made = STINT_TRY(wrap_new(token, entropy));
  const auto winner = STINT_TRY(store.write_sync([&](store::Tx& tx) {
    tx.no_event();
    if (auto found = tx.one<std::string>(kWrapped)) return *found;  // another node was faster
    tx.run(kPutWrapped, store::Blob{*made.wrapped});
    return *made.wrapped;
  }));
  return unwrap(token, winner);
}

Result<crypto::RootKey> root_key_from_pkcs11(const Pkcs11Source& source, std::string&& pin,
                                             const KeptRoot& kept) {
  const WipedAtEnd wiped{pin};
  if (!kept.wrapped) return fail(Errc::kMissing, "the store keeps no root key for a PKCS#11 token");
  Token token;
  STINT_TRY(token.open(source, pin));
  return unwrap(token, *kept.wrapped);
}

Result<NewRoot> new_root_from_pkcs11(const Pkcs11Source& source, std::string&& pin,
                                     Entropy& entropy) {
  const WipedAtEnd wiped{pin};
  Token token;
  STINT_TRY(token.open(source, pin));
  return wrap_new(token, entropy);
}

}  // namespace stint::keys
