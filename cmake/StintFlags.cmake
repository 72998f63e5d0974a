# Warnings are errors in our own code; sanitizers and coverage are chosen by the preset.
add_library(stint_flags INTERFACE)
target_compile_features(stint_flags INTERFACE cxx_std_23)
target_compile_options(stint_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror
  -Wno-missing-designated-field-initializers  # leaving a field out means its default: that is the point
  -fno-omit-frame-pointer -fstack-protector-strong
  $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
target_compile_definitions(stint_flags INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_DISABLE_BOOST_ARRAY BOOST_ALL_NO_LIB)
target_link_options(stint_flags INTERFACE -fuse-ld=lld -Wl,-z,relro,-z,now)
if(STINT_SANITIZE)
  target_compile_options(stint_flags INTERFACE -fsanitize=${STINT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(stint_flags INTERFACE -fsanitize=${STINT_SANITIZE})
endif()
if(STINT_FUZZ)
  target_compile_options(stint_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(STINT_COVERAGE)
  target_compile_options(stint_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(stint_flags INTERFACE -fprofile-instr-generate)
endif()
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
