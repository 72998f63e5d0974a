#include "stint/store/tx.h"

#include "database.h"

namespace stint::store {

bool Row::null(int column) const { return cursor_.type(column) == ColumnType::kNull; }

std::int64_t Row::integer(int column) {
  if (cursor_.type(column) == ColumnType::kInteger) return cursor_.integer(column);
  bad_ = true;
  return 0;
}

std::string_view Row::bytes(int column) {
  const ColumnType type = cursor_.type(column);
  if (type == ColumnType::kText || type == ColumnType::kBlob) return cursor_.bytes(column);
  bad_ = true;
  return {};
}

std::string_view Row::blob(int column, std::size_t size) {
  if (cursor_.type(column) == ColumnType::kBlob) {
    if (const std::string_view got = cursor_.bytes(column); got.size() == size) return got;
  }
  bad_ = true;
  return {};
}

Cursor* Reader::start(Sql sql, std::initializer_list<Param> parameters) {
  if (error_) return nullptr;
  const Result<Cursor*> cursor = connection_.start(sql, parameters);
  if (cursor) return *cursor;
  fail(cursor.error());
  return nullptr;
}

bool Reader::step(Cursor& cursor) {
  const Result<bool> row = cursor.next();
  if (!row) fail(row.error());
  return row.value_or(false);
}

std::int64_t Reader::finish(Cursor& cursor) {
  const Result<Effect> effect = connection_.finish(cursor);
  if (!effect) {
    fail(effect.error());
    return 0;
  }
  changed_ |= effect->rows > 0;
  state_changed_ |= effect->rows > 0 && effect->state;
  return error_ ? 0 : effect->rows;
}

void Tx::announce_all(Sql sql, std::initializer_list<Param> parameters) {
  if (error_) return;
  if (const Status announced = connection_.announce(sql, parameters); !announced)
    fail(announced.error());
}

std::int64_t Tx::run_all(Sql sql, std::initializer_list<Param> parameters) {
  Cursor* const cursor = start(sql, parameters);
  return cursor == nullptr ? 0 : finish(*cursor);
}

void Tx::put_all(Sql sql, std::initializer_list<Param> parameters) {
  if (error_) return;
  const Result<Effect> effect = connection_.put(sql, parameters);
  if (!effect) return fail(effect.error());
  changed_ = true;
  state_changed_ |= effect->state;
}

Seq Tx::append(const EventBytes& event) {
  EventRun one;
  if (const Status added = one.add(event); !added) fail(added.error());
  return append(one);
}

Seq Tx::append(const EventRun& events) {
  const Seq first = events_.next();
  if (error_ || events.empty()) return first;
  events_.append(events);
  appended_ = true;
  return first;
}

std::optional<Error> Tx::verdict() const {
  if (error_) return error_;
  if (appended_) return std::nullopt;
  if (state_changed_ || (changed_ && !no_event_)) {
    return Error{Errc::kInternal, "state changed with no event"};
  }
  return std::nullopt;
}

}  // namespace stint::store
