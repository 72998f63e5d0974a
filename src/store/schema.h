#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace stint::store {

// "Stnt" in ASCII: PRAGMA application_id of every Stint database.
inline constexpr int kApplicationId = 0x53746e74;
// "Stin": what builds before the first release wrote, with a row for each event.
inline constexpr int kEarlyApplicationId = 0x5374696e;

// "Stbk": of a backup, which is no database to work on.
inline constexpr int kBackupApplicationId = 0x5374626b;

// Of a database made by us: twice SQLite's own, since a batch writes its events one after another
// and pays two system calls for each page of the WAL.
inline constexpr std::size_t kPageBytes = 8192;

// Events of one span stand together in the table event_task.
inline constexpr int kSpanBits = 13;
inline constexpr std::string_view kTaskOpened = "task.opened";

// Migration n takes a database of version n to n+1. A released one is never edited: append. Each
// keeps to what the version before it can work with (docs/running.md, "Upgrading").
std::span<const char* const> all_migrations();

// Those that this program carries out: all. Alone in migrations.cc, so that the drill's programs of
// the versions after this one (tests/upgrade) can have longer lists.
std::span<const char* const> migrations();

}  // namespace stint::store
