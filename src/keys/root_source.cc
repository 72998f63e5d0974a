#include "stint/keys/root_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "stint/codec/base64url.h"

namespace stint::keys {
namespace {

constexpr std::size_t kTextSize = 43;  // base64url of 32 bytes
constexpr store::Sql kSalt = "SELECT value FROM meta WHERE key = 'root_salt'";
constexpr std::size_t kMaxPin = 255;
constexpr store::Sql kWrapped = "SELECT value FROM meta WHERE key = 'root_wrapped'";
constexpr store::Sql kForget = "DELETE FROM meta WHERE key IN ('root_salt', 'root_wrapped')";
constexpr store::Sql kPutWrapped = "INSERT INTO meta (key, value) VALUES ('root_wrapped', $1)";
constexpr store::Sql kPutSalt = "INSERT INTO meta (key, value) VALUES ('root_salt', $1)";

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Wiped at the end of its life.
struct Plain {
  std::string bytes;
  ~Plain() { explicit_bzero(bytes.data(), bytes.capacity()); }
};

// What a secret file is called when it is refused.
struct Words {
  Reason missing, unreadable, irregular, foreign, open_to_others;
};
constexpr Words kRootWords{"root key file is missing", "root key file cannot be read",
                           "root key file is not a regular file",
                           "root key file belongs to another user",
                           "root key file may be read by others: chmod 600"};
constexpr Words kPinWords{"PIN file is missing", "PIN file cannot be read",
                          "PIN file is not a regular file", "PIN file belongs to another user",
                          "PIN file may be read by others: chmod 600"};

Status check_file(int fd, mode_t forbidden, const Words& words) {
  struct stat st{};
  if (::fstat(fd, &st) != 0) return fail(Errc::kIo, words.unreadable);
  if (!S_ISREG(st.st_mode)) return fail(Errc::kWrongType, words.irregular);
  if (st.st_uid != ::geteuid() && st.st_uid != 0) return fail(Errc::kDenied, words.foreign);
  if ((st.st_mode & forbidden) != 0) return fail(Errc::kDenied, words.open_to_others);
  return {};
}

Result<crypto::RootKey> parse(Plain& plain) {
  std::string& s = plain.bytes;
  if (s.size() == crypto::RootKey::kSize) return crypto::RootKey::from_bytes(std::move(s));
  if (s.size() == kTextSize + 1 && s.back() == '\n') s.pop_back();
  auto bytes = codec::decode_base64url(s);
  if (!bytes || bytes->size() != crypto::RootKey::kSize) {
    if (bytes) explicit_bzero(bytes->data(), bytes->size());
    return fail(Errc::kMalformed, "root key file is not a key");
  }
  return crypto::RootKey::from_bytes(*std::move(bytes));
}

// At most `most` bytes, into a buffer of that size: growth would leave copies behind.
Status read_secret(const std::string& path, mode_t forbidden, const Words& words, std::size_t most,
                   Plain& plain) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.fd() < 0) {
    if (errno == ENOENT) return fail(Errc::kMissing, words.missing);
    return fail(Errc::kIo, words.unreadable);
  }
  STINT_TRY(check_file(file.fd(), forbidden, words));
  plain.bytes.assign(most, '\0');
  std::size_t size = 0;
  while (size < plain.bytes.size()) {
    const ssize_t n = ::read(file.fd(), plain.bytes.data() + size, plain.bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Errc::kIo, words.unreadable);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  plain.bytes.resize(size);
  return {};
}

Result<crypto::RootKey> read_key(const std::string& path, mode_t forbidden) {
  Plain plain;
  // One byte more than the longest key.
  STINT_TRY(read_secret(path, forbidden, kRootWords, kTextSize + 2, plain));
  return parse(plain);
}

Result<std::string> read_pin(const std::string& path, mode_t forbidden) {
  Plain plain;
  STINT_TRY(read_secret(path, forbidden, kPinWords, kMaxPin + 2, plain));
  std::string& s = plain.bytes;
  if (s.ends_with('\n')) s.pop_back();
  if (s.empty() || s.size() > kMaxPin || s.find('\n') != std::string::npos)
    return fail(Errc::kMalformed, "PIN file is empty or too long");
  return std::move(s);
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const File file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return file.fd() >= 0 && ::fsync(file.fd()) == 0;
}

// Whole or not at all: a key that a crash cut short would lose what was sealed under it.
Status create(const std::string& path, Entropy& entropy) {
  std::string pattern = path + ".XXXXXX";
  const File file(::mkostemp(pattern.data(), O_CLOEXEC));  // mode 0600
  if (file.fd() < 0) return fail(Errc::kIo, "root key file cannot be written");
  Plain bytes{crypto::RootKey::generate(entropy).export_plain()};
  Plain text{codec::encode_base64url(bytes.bytes) + "\n"};
  const bool written = write_all(file.fd(), text.bytes) && ::fsync(file.fd()) == 0;
  // link() does not replace: of two that start at once, one key wins and both use it.
  const bool linked = written && (::link(pattern.c_str(), path.c_str()) == 0 || errno == EEXIST);
  ::unlink(pattern.c_str());
  if (!linked || !sync_directory_of(path)) {
    return fail(Errc::kIo, "root key file cannot be written");
  }
  return {};
}

}  // namespace

Result<crypto::RootKey> root_key_from_file(const std::string& path) {
  return read_key(path, S_IRWXG | S_IRWXO);
}

Result<crypto::RootKey> root_key_from_file_or_create(const std::string& path, Entropy& entropy) {
  auto key = root_key_from_file(path);
  if (key || key.error().code != Errc::kMissing) return key;
  STINT_TRY(create(path, entropy));
  return root_key_from_file(path);
}

Result<crypto::RootKey> root_key_from_credential(const std::string& directory) {
  if (directory.empty()) return fail(Errc::kMissing, kRootWords.missing);
  // systemd grants the service's user by an ACL, whose mask shows in the group bits.
  return read_key(directory + "/stint-root-key", S_IRWXO);
}

Result<crypto::RootKey> root_key_from_passphrase(const Secret& passphrase, store::Store& store,
                                                 Entropy& entropy) {
  const auto salt = STINT_TRY(store.write_sync([&entropy](store::Tx& tx) {
    tx.no_event();
    if (auto found = tx.one<std::string>(kSalt)) return *found;
    const auto fresh = random_bytes<crypto::RootKey::kSaltSize>(entropy);
    tx.run(kPutSalt, fresh);
    return std::string(fresh.begin(), fresh.end());
  }));
  return crypto::RootKey::from_passphrase(passphrase, salt);
}

KeptRoot kept_root(store::Reader& reader) {
  return {.salt = reader.one<std::string>(kSalt), .wrapped = reader.one<std::string>(kWrapped)};
}

Result<crypto::RootKey> root_key_from_passphrase(const Secret& passphrase, const KeptRoot& kept) {
  if (!kept.salt) return fail(Errc::kMissing, "the store keeps no salt for a passphrase");
  return crypto::RootKey::from_passphrase(passphrase, *kept.salt);
}

Result<NewRoot> new_root_from_passphrase(const Secret& passphrase, Entropy& entropy) {
  const auto fresh = random_bytes<crypto::RootKey::kSaltSize>(entropy);
  std::string salt(fresh.begin(), fresh.end());
  auto key = STINT_TRY(crypto::RootKey::from_passphrase(passphrase, salt));
  return NewRoot{.key = std::move(key), .salt = std::move(salt), .wrapped = {}};
}

void put_root(store::Tx& tx, const NewRoot& root) {
  tx.run(kForget);
  if (root.salt) tx.run(kPutSalt, store::Blob{*root.salt});
  if (root.wrapped) tx.run(kPutWrapped, store::Blob{*root.wrapped});
}

Result<std::string> pin_from_file(const std::string& path) {
  return read_pin(path, S_IRWXG | S_IRWXO);
}

Result<std::string> pin_from_credential(const std::string& directory) {
  if (directory.empty()) return fail(Errc::kMissing, kPinWords.missing);
  return read_pin(directory + "/stint-pkcs11-pin", S_IRWXO);
}

}  // namespace stint::keys
