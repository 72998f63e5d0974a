#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stint::http {

// ASCII only, as header names are (RFC 9110 section 5.1). Never locale.
bool iequal(std::string_view a, std::string_view b);

struct Header {
  std::string name;
  std::string value;
  bool operator==(const Header&) const = default;
};

// Header fields in the order in which they came. Names compare without case; values are kept as
// they are, without surrounding white space.
//
// Threads:   as a std::vector. Ownership: owns its text; returned views die at the next change.
// Limits:    none here: check_head() and the parsers bound count and size.
// Errors:    none; it holds what it is given, checked or not.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> fields) : fields_(fields) {}

  // The first field of that name. Use one() where a second must not go unseen.
  std::optional<std::string_view> find(std::string_view name) const;
  // The only field of that name: nullopt when there is none, or more than one.
  std::optional<std::string_view> one(std::string_view name) const;
  bool has(std::string_view name) const { return find(name).has_value(); }
  std::size_t count(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;

  void add(std::string name, std::string value);  // appends, also a second of that name
  void set(std::string name, std::string value);  // removes every other of that name
  std::size_t remove(std::string_view name);      // how many went

  template <class Predicate>
  std::size_t remove_if(Predicate&& drop) {
    return std::erase_if(fields_, drop);
  }

  bool empty() const { return fields_.empty(); }
  std::size_t size() const { return fields_.size(); }
  void reserve(std::size_t n) { fields_.reserve(n); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  bool operator==(const Headers&) const = default;

 private:
  std::vector<Header> fields_;
};

enum class Version : std::uint8_t { k10, k11 };

struct RequestHead {
  std::string method;  // as sent: methods have case (RFC 9110 section 9.1)
  std::string target;  // as sent; parse_target() judges it
  Headers headers;
  Version version = Version::k11;
};

struct ResponseHead {
  unsigned status = 200;
  Headers headers;
  Version version = Version::k11;
};

struct UnixCredentials {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
};

// Who is on the other end of the connection, as the kernel and the TLS handshake say; nothing that
// a header claims.
struct Peer {
  std::string ip;  // "127.0.0.1", "::1"; empty on a unix socket
  std::uint16_t port = 0;
  bool tls = false;
  // SHA-256 of the client's certificate (DER), whose key the handshake proved. RFC 8705 section 3.
  std::optional<std::array<std::uint8_t, 32>> certificate;
  std::optional<UnixCredentials> unix_credentials;
};

struct Request {
  RequestHead head;
  std::string body;
  Peer peer;
};

struct Response {
  unsigned status = 200;
  Headers headers;
  std::string body;
};

// The words of RFC 9110 section 15; "" for a status that has none.
std::string_view reason_phrase(unsigned status);

}  // namespace stint::http
