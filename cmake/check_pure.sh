#!/usr/bin/env bash
# check_pure.sh ARCHIVE: exits 1 when the archive asks for a symbol that reaches a socket, a disk, a
# clock, randomness, a thread or the coroutine runtime. Reads undefined symbols only, so what the
# C++ library does inside itself does not count, and what our code calls does.
set -euo pipefail
nm=$(command -v llvm-nm-19 || command -v nm)
undefined=$("$nm" -u --no-sort "$1" 2>/dev/null | awk 'NF==2 && $1=="U" {print $2} NF==1 {print $1}' | c++filt | sort -u)
[ -n "$undefined" ] || { echo "no undefined symbols read from $1: the check saw nothing"; exit 2; }
forbidden='^(socket|connect|bind|listen|accept4?|send(to|msg)?|recv(from|msg)?|open(at|64)?|fopen(64)?|read|write|pread|pwrite|unlink|rename|fsync|fdatasync|clock_gettime|gettimeofday|time|getrandom|getentropy|RAND_.*|randombytes_.*|pthread_create|fork|execve?|getenv|secure_getenv)$|std::chrono::_V2::(system|steady)_clock::now|std::random_device|std::thread::|std::basic_[io]?fstream|std::filesystem|boost::asio|boost::beast|sqlite3_'
if hits=$(grep -E "$forbidden" <<<"$undefined"); then
  echo "$(basename "$1") reaches the outside through:"; echo "$hits"; exit 1
fi
echo "$(basename "$1"): $(wc -l <<<"$undefined") undefined symbols, none reaches the outside"
