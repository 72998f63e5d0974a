// A closed-loop HTTPS load: some keep-alive connections, each with one request under way. Presents
// a client certificate. Raw epoll and OpenSSL, since it must not be the limit.
//
//   stint-bench-load --port N --connections 32 --seconds 1 --path /u/plain/tickets/
//     --status 204 --bytes 0 --certificates DIR [--token FILE] [--scheme Bearer|DPoP] [--htu URL]
//
// Prints "requests N seconds S bad N". A response of another status or length is bad; for DPoP the
// first answers may be 401: they bring the nonce, and are not counted.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/measure.h"
#include "stint/base/clock.h"
#include "stint/base/id.h"
#include "stint/crypto/sign.h"
#include "stint/crypto/system_entropy.h"
#include "stint/jose/dpop.h"

namespace stint::bench {
namespace {

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Makes the requests and judges the answers.
struct Talk {
  std::string path, token, scheme, htu, status;
  std::size_t bytes = 0;
  std::optional<crypto::PrivateKey> key;
  std::string nonce;
  SystemClock clock;
  crypto::SystemEntropy entropy;
  std::uint64_t made = 0, good = 0, bad = 0, nonces = 0;

  std::string next() {
    const std::string ticket = std::to_string(1000 + made++ % 977);
    std::string out = "GET " + path + ticket + " HTTP/1.1\r\nHost: 127.0.0.1:7444\r\n";
    out += "Accept: application/json\r\n";
    if (!token.empty()) out += "Authorization: " + scheme + ' ' + token + "\r\n";
    if (key) {
      const std::string url = htu + ticket, jti = TokenId::random(entropy).str();
      out += "DPoP: " +
             must(jose::make_proof(*key, {.method = "GET",
                                          .htu = url,
                                          .now = clock.wall(),
                                          .jti = jti,
                                          .access_token = token,
                                          .nonce = nonce}),
                  "proof") +
             "\r\n";
    }
    return out + "\r\n";
  }

  void judge(std::string_view head, std::size_t body) {
    if (key) {
      const auto at = head.find("DPoP-Nonce: ");
      if (at != std::string_view::npos) {
        const auto end = head.find("\r\n", at);
        nonce = head.substr(at + 12, end - at - 12);
      }
    }
    if (head.substr(9, 3) == status && body == bytes) {
      ++good;
    } else if (key && head.substr(9, 3) == "401" && nonces < 64) {
      ++nonces;
    } else {
      if (bad++ == 0) std::fprintf(stderr, "%.*s\n", static_cast<int>(head.size()), head.data());
    }
  }
};

class Connection {
 public:
  Connection(SSL_CTX* context, int port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      no_figure("cannot connect");
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) no_figure("TLS handshake failed");
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  }
  ~Connection() {
    SSL_free(ssl_);
    ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  void send(const std::string& request) {
    // One request under way: the socket's buffer takes it whole.
    if (SSL_write(ssl_, request.data(), static_cast<int>(request.size())) !=
        static_cast<int>(request.size()))
      no_figure("a request could not be sent");
  }

  // True when a response is complete; it is then judged.
  bool receive(Talk& talk) {
    char buffer[16 * 1024];
    for (;;) {
      const int n = SSL_read(ssl_, buffer, sizeof buffer);
      if (n <= 0) {
        if (SSL_get_error(ssl_, n) == SSL_ERROR_WANT_READ) return false;
        no_figure("a connection was closed");
      }
      in_.append(buffer, static_cast<std::size_t>(n));
      const auto end = in_.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const std::size_t body = in_.size() - end - 4;
      const std::string_view head(in_.data(), end + 2);
      if (const auto length = length_of(head)) {
        if (body < *length) continue;
        talk.judge(head, body);
      } else if (head.substr(9, 3) == "204") {
        talk.judge(head, body);
      } else {  // chunked: ends with the last chunk
        if (!in_.ends_with("0\r\n\r\n")) continue;
        talk.judge(head, chunks(std::string_view(in_).substr(end + 4)));
      }
      in_.clear();
      return true;
    }
  }

 private:
  static std::optional<std::size_t> length_of(std::string_view head) {
    for (const char* name : {"Content-Length: ", "content-length: "}) {
      const auto at = head.find(name);
      if (at != std::string_view::npos) return std::stoul(std::string(head.substr(at + 16, 12)));
    }
    return std::nullopt;
  }
  static std::size_t chunks(std::string_view body) {
    std::size_t total = 0;
    while (!body.empty()) {
      const std::size_t size =
          std::stoul(std::string(body.substr(0, body.find('\r'))), nullptr, 16);
      if (size == 0) break;
      total += size;
      body.remove_prefix(body.find('\n') + 1 + size + 2);
    }
    return total;
  }

  int fd_ = -1;
  SSL* ssl_ = nullptr;
  std::string in_;
};

int run(int argc, char** argv) {
  const std::string certificates = option(argc, argv, "certificates", ".");
  const int port = std::stoi(option(argc, argv, "port", "0"));
  const auto count = std::stoul(option(argc, argv, "connections", "32"));
  const double seconds = std::stod(option(argc, argv, "seconds", "1"));
  Talk talk{.path = option(argc, argv, "path", "/"),
            .scheme = option(argc, argv, "scheme", "Bearer"),
            .htu = option(argc, argv, "htu", ""),
            .status = option(argc, argv, "status", "204"),
            .bytes = std::stoul(option(argc, argv, "bytes", "0"))};
  if (const auto file = option(argc, argv, "token", ""); !file.empty()) talk.token = read_all(file);
  if (talk.scheme == "DPoP")
    talk.key = must(crypto::PrivateKey::from_pem(read_all(certificates + "/dpop-test.key"),
                                                 crypto::Alg::kES256),
                    "key");

  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (SSL_CTX_use_certificate_file(context, (certificates + "/client-test.pem").c_str(),
                                   SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, (certificates + "/client-test.key").c_str(),
                                  SSL_FILETYPE_PEM) != 1)
    no_figure("no client certificate");
  const int poll = ::epoll_create1(0);
  std::vector<std::unique_ptr<Connection>> connections;
  for (std::size_t i = 0; i < count; ++i) {
    connections.push_back(std::make_unique<Connection>(context, port));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, connections.back()->fd(), &event);
  }
  if (talk.key) {  // the first answer brings the nonce
    connections[0]->send(talk.next());
    while (!connections[0]->receive(talk)) ::usleep(1000);
    talk.made = talk.good = talk.bad = 0;
  }

  std::puts("connected");  // the caller reads the server's CPU clock, then lets us begin
  std::fflush(stdout);
  if (std::getchar() == EOF) return 1;
  const double start = wall_seconds();
  std::size_t busy = count;
  for (auto& c : connections) c->send(talk.next());
  std::vector<epoll_event> events(count);
  while (busy > 0) {
    const int n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 5000);
    if (n <= 0) no_figure("the server does not answer");
    const bool more = wall_seconds() - start < seconds;
    for (int i = 0; i < n; ++i) {
      Connection& c = *connections[events[static_cast<std::size_t>(i)].data.u64];
      if (!c.receive(talk)) continue;
      if (more)
        c.send(talk.next());
      else
        --busy;
    }
  }
  std::printf("requests %lu seconds %.6f bad %lu\n", talk.good, wall_seconds() - start, talk.bad);
  std::fflush(stdout);
  std::getchar();  // connections stay until the caller has read the clocks again
  connections.clear();
  SSL_CTX_free(context);
  return 0;
}

}  // namespace
}  // namespace stint::bench

int main(int argc, char** argv) { return stint::bench::run(argc, argv); }
