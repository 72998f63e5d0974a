#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"
#include "stint/crypto/root_key.h"
#include "stint/store/store.h"

// Where the root key comes from. A key file or credential holds 32 bytes, plain or as base64url
// text (43 characters and at most one line feed).
//
// Threads: any. Blocking: on the file; from_passphrase ~0.2 s.
namespace stint::keys {

// A regular file that belongs to us (or to root) and that nobody else may read or write.
// Errors: kMissing "root key file is missing"; kDenied "root key file may be read by others: chmod
// 600", "root key file belongs to another user"; kWrongType "root key file is not a regular file";
// kMalformed "root key file is not a key"; kIo.
Result<crypto::RootKey> root_key_from_file(const std::string& path);

// The same; when there is none, makes one of mode 0600, on the disk before it returns.
Result<crypto::RootKey> root_key_from_file_or_create(const std::string& path, Entropy& entropy);

// systemd's LoadCredential= or LoadCredentialEncrypted=: `directory` is $CREDENTIALS_DIRECTORY, the
// credential's name is "stint-root-key". Errors: as above; kMissing also for an empty directory.
Result<crypto::RootKey> root_key_from_credential(const std::string& directory);

// Argon2id. The salt is made at the first use and kept in the store. A wrong passphrase shows when
// the first sealed value is opened: kWrongKey. Errors: RootKey::from_passphrase's, the store's.
Result<crypto::RootKey> root_key_from_passphrase(const Secret& passphrase, store::Store& store,
                                                 Entropy& entropy);

// What a store keeps so that its root key is found again, read wherever its rows are: in a backup.
struct KeptRoot {
  std::optional<std::string> salt;     // of a passphrase
  std::optional<std::string> wrapped;  // by a PKCS#11 token
};
KeptRoot kept_root(store::Reader& reader);
// As above, and nothing is made. Errors: also kMissing "the store keeps no salt for a passphrase".
Result<crypto::RootKey> root_key_from_passphrase(const Secret& passphrase, const KeptRoot& kept);

// A root key that nothing is sealed under yet, and what the store must keep so that it is found
// again. Written by the transaction that seals everything anew: put_root().
struct NewRoot {
  crypto::RootKey key;
  std::optional<std::string> salt;     // of a passphrase
  std::optional<std::string> wrapped;  // by a PKCS#11 token
};
// Errors: RootKey::from_passphrase's.
Result<NewRoot> new_root_from_passphrase(const Secret& passphrase, Entropy& entropy);
void put_root(store::Tx& tx, const NewRoot& root);

// The PIN of a PKCS#11 token: the file's first line, under the rules of a key file. The caller
// wipes it. Errors: "PIN file is missing", "PIN file may be read by others: chmod 600", "PIN file
// belongs to another user", "PIN file is not a regular file", "PIN file is empty or too long",
// "PIN file cannot be read".
Result<std::string> pin_from_file(const std::string& path);
// systemd's credential "stint-pkcs11-pin".
Result<std::string> pin_from_credential(const std::string& directory);

}  // namespace stint::keys
