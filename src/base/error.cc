#include "stint/base/error.h"

namespace stint {

std::string_view name(Errc code) {
  switch (code) {  // no default: a new code does not compile until it has a name
    case Errc::kMalformed:
      return "malformed";
    case Errc::kTooLarge:
      return "too-large";
    case Errc::kBadSignature:
      return "bad-signature";
    case Errc::kExpired:
      return "expired";
    case Errc::kWrongAudience:
      return "wrong-audience";
    case Errc::kDenied:
      return "denied";
    case Errc::kStale:
      return "stale";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kNotFound:
      return "not-found";
    case Errc::kConflict:
      return "conflict";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kReplayed:
      return "replayed";
    case Errc::kNotYetValid:
      return "not-yet-valid";
    case Errc::kWrongIssuer:
      return "wrong-issuer";
    case Errc::kWrongKey:
      return "wrong-key";
    case Errc::kWrongType:
      return "wrong-type";
    case Errc::kLimit:
      return "limit";
    case Errc::kTaskClosed:
      return "task-closed";
    case Errc::kTaskPaused:
      return "task-paused";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kCancelled:
      return "cancelled";
    case Errc::kIo:
      return "io";
    case Errc::kStorageFull:
      return "storage-full";
    case Errc::kReadOnly:
      return "read-only";
    case Errc::kInternal:
      return "internal";
    case Errc::kUnauthenticated:
      return "unauthenticated";
    case Errc::kNonceRequired:
      return "nonce-required";
    case Errc::kMissing:
      return "missing";
    case Errc::kUnknownKey:
      return "unknown-key";
    case Errc::kWrongMethod:
      return "wrong-method";
    case Errc::kWrongTarget:
      return "wrong-target";
    case Errc::kRevoked:
      return "revoked";
    case Errc::kApprovalRequired:
      return "approval-required";
    case Errc::kPreconditionFailed:
      return "precondition-failed";
    case Errc::kGone:
      return "gone";
  }
  __builtin_trap();
}

}  // namespace stint
