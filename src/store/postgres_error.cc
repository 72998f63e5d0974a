#include "postgres_error.h"

namespace stint::store {

PgFailure failure_of(std::string_view state) {
  const std::string_view category = state.substr(0, 2);
  if (state.empty() || category == "08" || state == "57P01" || state == "57P02" ||
      state == "57P03" || state == "57P05" || state == "25P03" || state == "25P04")
    return {.error = {Errc::kUnavailable, "connection to the database is lost"},
            .session_over = true};
  if (state == "40001" || state == "40P01")
    return {.error = {Errc::kUnavailable, "the database is busy with other transactions"},
            .retry = true};
  if (state == "55P03" || state == "57014")
    return {.error = {Errc::kUnavailable, "the database did not answer in time"}, .disk = true};
  if (state == "25006")
    return {
        .error = {Errc::kReadOnly, "database is read-only"}, .session_over = true, .disk = true};
  if (category == "23") return {.error = {Errc::kConflict, "constraint"}};
  if (category == "22") return {.error = {Errc::kMalformed, "the database cannot hold this value"}};
  if (category == "54") return {.error = {Errc::kTooLarge, "value too large to store"}};
  if (state == "53100") return {.error = {Errc::kStorageFull, "disk full"}, .disk = true};
  if (category == "53")
    return {.error = {Errc::kUnavailable, "the database is out of resources"}, .disk = true};
  if (category == "58") return {.error = {Errc::kIo, "database input/output"}, .disk = true};
  if (state == "42501")
    return {.error = {Errc::kDenied,
                      "the database user may not do what Stint needs: make it the "
                      "owner of the tables"},
            .disk = true};
  if (category == "XX")
    return {.error = {Errc::kInternal, "database is damaged"}, .session_over = true, .disk = true};
  if (state == "40003")  // statement_completion_unknown
    return {.error = {Errc::kUnavailable, "connection to the database is lost"},
            .session_over = true,
            .unknown = true};
  // A table, a function or a trigger that is there already: only a migration makes any.
  if (state == "42P07" || state == "42723" || state == "42710")
    return {.error = {Errc::kUnsupported,
                      "the database holds tables of our names that are not Stint's: give it its "
                      "own database or schema"}};
  // Also a plan that another node's migration has overtaken, or a statement that a pooler dropped:
  // it would never be right again in this session.
  if (state == "0A000" || state == "26000")
    return {.error = {Errc::kInternal, "statement"}, .session_over = true, .bug = true};
  // 25P02: the transaction failed before, and this says nothing new.
  return {.error = {Errc::kInternal, "statement"}, .bug = state != "25P02"};
}

Error refusal_of(std::string_view state) {
  if (state == "28P01" || state == "28000")
    return {Errc::kUnauthenticated,
            "the database refuses this user: check the name in store.url and the password"};
  if (state == "3D000")
    return {Errc::kNotFound, "there is no such database: create it, or mend store.url"};
  if (state == "42501") return {Errc::kDenied, "the database user may not connect"};
  if (state.starts_with("53"))
    return {Errc::kUnavailable, "the database has no connection left for us"};
  if (state.starts_with("57")) return {Errc::kUnavailable, "the database is starting or stopping"};
  return {Errc::kUnavailable, "the database cannot be reached"};
}

}  // namespace stint::store
