#pragma once

#include <string>

#include "failure.h"
#include "stint/resource/config.h"
#include "stint/store/store.h"

namespace stint::cli {

// Where a configuration's store is, and how a sentence calls it: "the store PATH", "the database of
// store.url". Reads its password's file. Errors: of read_private_file(), as sentences.
struct StorePlace {
  store::Options where;
  std::string name;
};
Outcome<StorePlace> store_place(const resource::Config& config, const std::string& home);

// Whether two configurations name one store. Two spellings of one database's URL are two stores.
bool same_store(const resource::Config& a, const resource::Config& b, const std::string& home);

}  // namespace stint::cli
