// The TLS half of Boost.Asio, compiled once (see rt/asio.cc).
#include <boost/asio/ssl/impl/src.hpp>
