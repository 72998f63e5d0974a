#pragma once

#include <string_view>

#include "stint/base/error.h"

namespace stint::store {

// What an SQLSTATE (PostgreSQL, appendix A) means to the store.
struct PgFailure {
  Error error;
  bool session_over = false;  // the connection is gone, or no good
  bool disk = false;          // nothing can be written: the whole transaction is lost
  bool retry = false;         // another transaction came between: the same again may succeed
  bool bug = false;           // the statement is wrong
  bool unknown = false;       // it may have been carried out all the same
};
PgFailure failure_of(std::string_view sqlstate);

// Why a session could not be had, from its SQLSTATE or, without one, from nowhere in particular.
Error refusal_of(std::string_view sqlstate);

}  // namespace stint::store
