// The whole of Boost.Asio is compiled here, once: everywhere else BOOST_ASIO_SEPARATE_COMPILATION
// leaves declarations.
#include <boost/asio/impl/src.hpp>
