#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "database.h"
#include "fair_mutex.h"
#include "file.h"
#include "sqlite_connection.h"
#include "stint/store/store.h"

namespace stint::store {

// One SQLite file (WAL, synchronous=FULL), one process, and the thread that copies its WAL back.
class SqliteDatabase final : public Database {
 public:
  // Opens or creates, takes the process lock, migrates. Errors: of Store::open().
  static Result<std::unique_ptr<Database>> open(const Options& options);
  ~SqliteDatabase() override;

  Result<std::unique_ptr<WriteConnection>> open_writer() override;
  Result<std::unique_ptr<ReadConnection>> open_reader() override;
  bool shared() const override { return false; }
  std::size_t wal_bytes() const override;

 private:
  SqliteDatabase(const Options& options, File lock);
  static Result<File> lock_process(const std::string& path);
  static Status create_private(const std::string& path);
  Status start();
  void wal_grew(int pages);
  void checkpoint_loop();
  int copy_wal();

  const std::string path_, vfs_;
  const std::size_t checkpoint_bytes_;
  File lock_;
  FairMutex gate_;

  std::unique_ptr<SqliteSession> checkpoint_;
  std::mutex checkpoint_mutex_;
  std::condition_variable checkpoint_wake_;
  bool due_ = false, stopping_ = false;
  bool checkpoint_failed_ = false;  // the checkpoint thread's: said once
  std::atomic<int> wal_pages_{0};
  std::atomic<int> copied_pages_{0};  // of the WAL, at the last copy
  std::thread checkpointer_;
};

}  // namespace stint::store
