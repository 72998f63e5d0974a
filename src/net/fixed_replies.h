#pragma once

#include <string_view>

#include "stint/base/error.h"

namespace stint::net::fixed {

// Answers that need no thought, ready to send. All but kOverloaded close the connection.
inline constexpr std::string_view kBadRequest =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n"
    "Connection: close\r\n\r\nrequest refused\n";
inline constexpr std::string_view kWrongMethod =
    "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE\r\n"
    "Content-Length: 0\r\nConnection: close\r\n\r\n";
inline constexpr std::string_view kTimedOut =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
inline constexpr std::string_view kTooManyFromOne =
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";
inline constexpr std::string_view kHeadTooLarge =
    "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";
inline constexpr std::string_view kInternal =
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
inline constexpr std::string_view kUnsupported =
    "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
inline constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";
inline constexpr std::string_view kOverloaded =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

inline std::string_view for_head(const Error& error) {
  switch (error.code) {
    case Errc::kTooLarge:
    case Errc::kLimit:
      return kHeadTooLarge;
    case Errc::kWrongMethod:
      return kWrongMethod;
    case Errc::kUnsupported:
      return kUnsupported;
    default:
      return kBadRequest;
  }
}

}  // namespace stint::net::fixed
