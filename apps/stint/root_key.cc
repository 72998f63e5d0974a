#include "root_key.h"

#include <fmt/format.h>

#include "files.h"
#include "stint/keys/pkcs11_root.h"
#include "terminal.h"

namespace stint::cli {
namespace {

using resource::RootKeySource;
using Config = resource::Config::RootKey;

constexpr std::string_view kWhat = "cannot take the root key";

std::string path_of(const Config& config, const std::string& home) {
  return config.path.empty() ? join_path(home, "root.key") : config.path;
}

constexpr std::string_view kAsk = "The root key's passphrase", kAskNew = "The new passphrase";

// Typed with the echo off, or one line of stdin: never from the environment or the command line.
// Byte by byte, since a second passphrase may follow.
Outcome<Secret> passphrase_line(bool is_new = false) {
  const Terminal terminal;
  if (terminal.interactive()) {
    if (is_new) return terminal.ask_new_secret(kAskNew);
    auto typed = terminal.ask_secret(kAsk);
    if (!typed) return std::unexpected(typed.error());
    return Secret(*std::move(typed));
  }
  auto line = read_secret_line_of_stdin(1024);
  if (!line) return std::unexpected(Failure::of(line.error(), "no passphrase on stdin"));
  return *std::move(line);
}

Result<std::string> pin_of(const Config& config) {
  return config.pin_file.empty() ? keys::pin_from_credential(environment("CREDENTIALS_DIRECTORY"))
                                 : keys::pin_from_file(config.pin_file);
}

template <class T>
Outcome<T> outcome(Result<T> taken) {
  if (!taken) return std::unexpected(Failure::of(taken.error(), std::string(kWhat)));
  return *std::move(taken);
}

Outcome<keys::NewRoot> as_new(Result<crypto::RootKey> key) {
  auto taken = outcome(std::move(key));
  if (!taken) return std::unexpected(taken.error());
  return keys::NewRoot{.key = *std::move(taken), .salt = {}, .wrapped = {}};
}

}  // namespace

Outcome<crypto::RootKey> take_root_key(const Config& config, const std::string& home,
                                       store::Store& store, Entropy& entropy) {
  const std::string path = path_of(config, home);
  switch (config.source) {
    case RootKeySource::kFile:
      return outcome(config.create ? keys::root_key_from_file_or_create(path, entropy)
                                   : keys::root_key_from_file(path));
    case RootKeySource::kSystemd:
      return outcome(keys::root_key_from_credential(environment("CREDENTIALS_DIRECTORY")));
    case RootKeySource::kPassphrase: {
      auto line = passphrase_line();
      if (!line) return std::unexpected(line.error());
      return outcome(keys::root_key_from_passphrase(*line, store, entropy));
    }
    case RootKeySource::kPkcs11: {
      auto pin = pin_of(config);
      if (!pin) return std::unexpected(Failure::of(pin.error(), std::string(kWhat)));
      return outcome(keys::root_key_from_pkcs11({config.uri, config.module}, *std::move(pin), store,
                                                config.create, entropy));
    }
  }
  __builtin_trap();
}

Outcome<crypto::RootKey> take_kept_root_key(const Config& config, const std::string& home,
                                            const keys::KeptRoot& kept) {
  switch (config.source) {
    case RootKeySource::kFile:
      return outcome(keys::root_key_from_file(path_of(config, home)));
    case RootKeySource::kSystemd:
      return outcome(keys::root_key_from_credential(environment("CREDENTIALS_DIRECTORY")));
    case RootKeySource::kPassphrase: {
      auto line = passphrase_line();
      if (!line) return std::unexpected(line.error());
      return outcome(keys::root_key_from_passphrase(*line, kept));
    }
    case RootKeySource::kPkcs11: {
      auto pin = pin_of(config);
      if (!pin) return std::unexpected(Failure::of(pin.error(), std::string(kWhat)));
      return outcome(
          keys::root_key_from_pkcs11({config.uri, config.module}, *std::move(pin), kept));
    }
  }
  __builtin_trap();
}

Outcome<keys::NewRoot> take_new_root_key(const Config& config, const std::string& home,
                                         Entropy& entropy) {
  const std::string path = path_of(config, home);
  switch (config.source) {
    case RootKeySource::kFile:
      return as_new(config.create ? keys::root_key_from_file_or_create(path, entropy)
                                  : keys::root_key_from_file(path));
    case RootKeySource::kSystemd:
      return as_new(keys::root_key_from_credential(environment("CREDENTIALS_DIRECTORY")));
    case RootKeySource::kPassphrase: {
      auto line = passphrase_line(true);
      if (!line) return std::unexpected(line.error());
      return outcome(keys::new_root_from_passphrase(*line, entropy));
    }
    case RootKeySource::kPkcs11: {
      auto pin = pin_of(config);
      if (!pin) return std::unexpected(Failure::of(pin.error(), std::string(kWhat)));
      return outcome(
          keys::new_root_from_pkcs11({config.uri, config.module}, *std::move(pin), entropy));
    }
  }
  __builtin_trap();
}

}  // namespace stint::cli
