#pragma once

#include <cstddef>
#include <cstdint>

// The C ABI of src/policy/cedar: Cedar's own implementation, in Rust. Private to this module.
//
// Threads:   any; a compiled set is immutable and may be shared.
// Ownership: the callee keeps no pointer that it is given. What it returns is freed by the
// functions
//            below.
// Errors:    nothing unwinds across; a panic is kPanicked or a problem.
// Wire:      little-endian; text is a u32 length and UTF-8 bytes.
extern "C" {

struct StintCedarSet;

struct StintCedarBytes {
  std::uint8_t* data;
  std::size_t size;
};
struct StintCedarText {
  const char* data;
  std::size_t size;
};

// In: u32 n, n texts. Returns a set and writes its policies to `out`
//   u32 n, n × {u32 file, u32 offset, u8 forbids, u64 mask of facts read,
//               u32 n, n × {text annotation, text value}, u32 n, n × {u8 kind, text literal}}
// or returns null and writes the problems
//   u32 n, n × {u32 file, u8 has offset, u32 offset, text message}.
StintCedarSet* stint_cedar_compile(const std::uint8_t* data, std::size_t size,
                                   StintCedarBytes* out);
void stint_cedar_free(StintCedarSet* set);
void stint_cedar_free_bytes(StintCedarBytes bytes);

// In: what facts.cc encodes. `reasons` has room for every policy of the set; the first `count` are
// then the policies that determined the answer (1, 2) or that failed (3). `check`: the facts must
// conform to the schema.
// Returns 1 permit, 2 deny, 3 a policy failed, 4 malformed bytes, 5 a value that Cedar cannot hold
// or the schema refuses, 6 panic. Anything but 1 is a refusal.
std::uint8_t stint_cedar_evaluate(const StintCedarSet* set, const std::uint8_t* data,
                                  std::size_t size, bool check, std::uint32_t* reasons,
                                  std::size_t* count);

// Path of the fact of that bit; empty after the last.
StintCedarText stint_cedar_leaf(std::size_t bit);
StintCedarText stint_cedar_schema();

}  // extern "C"
