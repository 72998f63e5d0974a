#include <algorithm>
#include <array>

#include "endpoints_impl.h"

namespace stint::oauth {
namespace {

constexpr std::string_view kFormType = "application/x-www-form-urlencoded";

bool is_form(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const auto end = type.find_last_not_of(" \t");
  return end != std::string_view::npos && http::iequal(type.substr(0, end + 1), kFormType);
}

// Agents share no secret with us, so nothing but an assertion authenticates; a second way beside it
// is refused before any is looked at (RFC 6749 section 2.3).
std::optional<Failure> other_authentication(const http::RequestHead& head,
                                            const codec::Form& form) {
  const bool asserted = !form.all("client_assertion").empty();
  const bool secret = !form.all("client_secret").empty();
  const auto authorization = head.headers.find("Authorization");
  if (!authorization && !secret) return std::nullopt;
  if (asserted || (authorization && secret))
    return Failure{.oauth = "invalid_request",
                   .error = {Errc::kMalformed, "two ways of client authentication"}};
  Failure f{.oauth = "invalid_client",
            .error = {Errc::kUnsupported, "clients do not authenticate with shared secrets here"},
            .status = 401};
  // RFC 6749 section 5.2: the challenge is of the scheme that the client used.
  if (authorization)
    f.challenge = http::iequal(authorization->substr(0, 6), "basic ") ? "Basic realm=\"stint\""
                                                                      : "Bearer realm=\"stint\"";
  return f;
}

}  // namespace

Answer<Posted> read_post(http::RequestHead head, http::Peer peer, std::string_view body,
                         WallTime now) {
  if (head.method != "POST")
    return std::unexpected(Failure{.oauth = "invalid_request",
                                   .error = {Errc::kWrongMethod, "this endpoint takes POST"},
                                   .status = 405,
                                   .allow = "POST"});
  if (head.target.contains('?'))
    return refuse("invalid_request", {Errc::kMalformed, "parameters belong into the body"});
  const auto type = head.headers.one("Content-Type");
  if (!type || !is_form(*type))
    return refuse("invalid_request",
                  {Errc::kUnsupported, "the body is not application/x-www-form-urlencoded"});
  auto form = codec::parse_form(body, {.bytes = Endpoints::kMaxBody, .parameters = 64});
  if (!form)
    return refuse("invalid_request", form.error(),
                  form.error().code == Errc::kTooLarge ? 413 : 400);
  constexpr std::array<std::string_view, 2> kRepeatable{"resource", "audience"};
  if (const Status once = form->no_repeats(kRepeatable); !once)
    return refuse("invalid_request", once.error());
  if (auto failure = other_authentication(head, *form)) return std::unexpected(*failure);
  return Posted{
      .form = *std::move(form), .head = std::move(head), .peer = std::move(peer), .now = now};
}

}  // namespace stint::oauth
