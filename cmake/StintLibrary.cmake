# stint_library(NAME LAYER n DEPS a b … [PURE] [LIBS external …])
#
# Declares the module in this folder: every *.cc that is not a test, a fuzz target or a benchmark is
# its code; include/ is its include root. DEPS may name only modules of a smaller layer: anything
# else stops the configuration. PURE modules may depend only on pure ones (base, codec and crypto
# count as pure: their effects sit in the few files that the lint names) and are checked at build
# time to reach no socket, disk, clock or thread. A module of the root's list that has no folder yet
# leaves those that need it out, with a warning.
#
# Beside the library come: x_test.cc -> one test binary <name>_test; x_fuzz.cc + corpus/x ->
# <name>_x_fuzz (or its corpus replay as a test); x_bench.cc -> <name>_bench.
define_property(GLOBAL PROPERTY STINT_PURE BRIEF_DOCS "pure modules" FULL_DOCS "pure modules")
set(STINT_NEARLY_PURE base codec crypto)

function(stint_library NAME)
  cmake_parse_arguments(ARG "PURE" "LAYER" "DEPS;LIBS;PRIVATE_LIBS;TEST_DEPS;TEST_LIBS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "stint_library(${NAME}): unknown words: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT DEFINED ARG_LAYER)
    message(FATAL_ERROR "stint_library(${NAME}): LAYER is missing")
  endif()
  foreach(dep IN LISTS ARG_DEPS)
    get_property(dep_layer GLOBAL PROPERTY STINT_LAYER_${dep})
    get_property(left_out GLOBAL PROPERTY STINT_LEFT_OUT)
    if(dep IN_LIST left_out
        OR (dep IN_LIST STINT_MODULES AND NOT EXISTS ${CMAKE_SOURCE_DIR}/src/${dep}/CMakeLists.txt))
      message(WARNING "${NAME} is left out: it needs '${dep}', which is not in the tree yet")
      set_property(GLOBAL APPEND PROPERTY STINT_LEFT_OUT ${NAME})
      return()
    endif()
    if("${dep_layer}" STREQUAL "")
      message(FATAL_ERROR "stint_library(${NAME}): depends on '${dep}', which no layer below declares")
    endif()
    if(NOT dep_layer LESS ARG_LAYER)
      message(FATAL_ERROR
        "stint_library(${NAME}): layer ${ARG_LAYER} must not depend on '${dep}' of layer ${dep_layer}")
    endif()
    if(ARG_PURE)
      get_property(pure GLOBAL PROPERTY STINT_PURE)
      if(NOT dep IN_LIST pure AND NOT dep IN_LIST STINT_NEARLY_PURE)
        message(FATAL_ERROR "stint_library(${NAME}): pure, but depends on '${dep}', which is not")
      endif()
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY STINT_LAYER_${NAME} ${ARG_LAYER})
  if(ARG_PURE)
    set_property(GLOBAL APPEND PROPERTY STINT_PURE ${NAME})
  endif()

  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/(target|build)/")
  set(deps_targets ${ARG_DEPS})
  list(TRANSFORM deps_targets PREPEND stint_)
  stint_check_edges(${NAME} "${sources}" "${ARG_DEPS}")

  if(NOT sources)  # headers only, for now
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/${NAME}_empty.cc)
    file(CONFIGURE OUTPUT ${sources} CONTENT "// ${NAME} has no code of its own yet.\n")
  endif()
  add_library(stint_${NAME} STATIC ${sources})
  target_include_directories(stint_${NAME} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(stint_${NAME} PUBLIC ${deps_targets} ${ARG_LIBS}
    PRIVATE stint_flags ${ARG_PRIVATE_LIBS})
  target_link_libraries(stint_${NAME} INTERFACE $<BUILD_INTERFACE:stint_flags>)

  stint_header_check(${NAME})
  if(STINT_TESTS)
    stint_link_test(${NAME})
    stint_module_tests(${NAME} "${all}" "${ARG_TEST_DEPS}" "${ARG_TEST_LIBS}")
  endif()
  stint_module_fuzz(${NAME} "${all}")
  if(STINT_BENCH)
    set(benches ${all})
    list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
    if(benches)
      add_executable(${NAME}_bench ${benches})
      target_link_libraries(${NAME}_bench PRIVATE stint_${NAME} stint_flags benchmark::benchmark_main)
    endif()
  endif()
endfunction()

# Include roots are inherited, since a header may use the headers of its own dependencies; so the
# path alone would let a module use what it never named. This reads the includes instead. Tests,
# fuzz targets and benchmarks may go further (TEST_DEPS).
function(stint_check_edges NAME sources deps)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
  list(FILTER headers EXCLUDE REGEX "/(target|build)/|_(test_util|for_test)\\.h$")
  foreach(file IN LISTS sources headers)
    file(STRINGS ${file} lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]stint/")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[^<\"]*[<\"]stint/([a-z0-9_]+)/.*" "\\1" used "${line}")
      if(NOT used STREQUAL NAME AND NOT used IN_LIST deps)
        message(FATAL_ERROR
          "stint_library(${NAME}): ${file} includes stint/${used}/, but DEPS does not name '${used}'")
      endif()
    endforeach()
  endforeach()
endfunction()

# Every public header compiles alone.
function(stint_header_check NAME)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/include/*.h)
  set(units "")
  foreach(header IN LISTS headers)
    file(RELATIVE_PATH rel ${CMAKE_CURRENT_SOURCE_DIR}/include ${header})
    string(MAKE_C_IDENTIFIER ${rel} id)
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/headers/${id}.cc)
    file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${rel}\"\n#include \"${rel}\"\n")
    list(APPEND units ${unit})
  endforeach()
  if(units)
    add_library(stint_${NAME}_headers OBJECT EXCLUDE_FROM_ALL ${units})
    target_link_libraries(stint_${NAME}_headers PRIVATE stint_${NAME} stint_flags)
    if(NOT TARGET stint_headers)
      add_custom_target(stint_headers)
    endif()
    add_dependencies(stint_headers stint_${NAME}_headers)
  endif()
endfunction()

# The whole archive links with only what the module named: a symbol from elsewhere fails here.
function(stint_link_test NAME)
  set(unit ${CMAKE_CURRENT_BINARY_DIR}/link_test.cc)
  file(CONFIGURE OUTPUT ${unit} CONTENT "int main() { return 0; }\n")
  add_executable(${NAME}_link_test ${unit})
  target_link_libraries(${NAME}_link_test PRIVATE
    -Wl,--whole-archive $<TARGET_FILE:stint_${NAME}> -Wl,--no-whole-archive stint_${NAME} stint_flags)
  add_dependencies(${NAME}_link_test stint_${NAME})
  add_test(NAME ${NAME}.links_alone COMMAND ${NAME}_link_test)
  set_tests_properties(${NAME}.links_alone PROPERTIES LABELS fast)
endfunction()

function(stint_module_tests NAME all deps libs)
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT tests)
    return()
  endif()
  set(deps_targets ${deps})
  list(TRANSFORM deps_targets PREPEND stint_)
  add_executable(${NAME}_test ${tests})
  target_include_directories(${NAME}_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${NAME}_test PRIVATE
    STINT_VECTORS="${STINT_VECTORS}" STINT_SOURCE="${CMAKE_SOURCE_DIR}" STINT_BINARY="${CMAKE_BINARY_DIR}")
  target_link_libraries(${NAME}_test PRIVATE stint_${NAME} ${deps_targets} stint_testkit ${libs}
    stint_rapidcheck stint_flags GTest::gmock GTest::gtest GTest::gtest_main)
  # Those of a shared database's own are in stint_tests_on_postgres()'s list alone.
  gtest_discover_tests(${NAME}_test TEST_PREFIX ${NAME}. DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60 TEST_FILTER "-*OnPostgres.*" PROPERTIES LABELS fast TIMEOUT 300)
endfunction()

# The tests of a module once more, with its stores in PostgreSQL. `without`: tests of what only the
# embedded store has, such as a disk of ours, as a filter of GoogleTest's.
function(stint_tests_on_postgres NAME without)
  gtest_discover_tests(${NAME}_test TEST_PREFIX ${NAME}.postgres. DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60 TEST_FILTER "-${without}" TEST_LIST ${NAME}_on_postgres
    PROPERTIES LABELS fast TIMEOUT 300 ENVIRONMENT STINT_TEST_STORE=postgres)
endfunction()

# A fuzz target is a libFuzzer binary in the fuzz preset; elsewhere its corpus is replayed as a test.
function(stint_module_fuzz NAME all)
  set(targets ${all})
  list(FILTER targets INCLUDE REGEX "_fuzz\\.cc$")
  foreach(source IN LISTS targets)
    get_filename_component(stem ${source} NAME_WE)
    get_filename_component(dir ${source} DIRECTORY)
    string(REGEX REPLACE "_fuzz$" "" subject ${stem})
    set(target ${NAME}_${stem})
    if(STINT_FUZZ)
      add_executable(${target} ${source})
      target_link_libraries(${target} PRIVATE stint_${NAME} stint_flags -fsanitize=fuzzer)
      set_property(GLOBAL APPEND PROPERTY STINT_FUZZ_TARGETS "${target}|${dir}/corpus/${subject}")
    elseif(STINT_TESTS)
      add_executable(${target} ${source} ${CMAKE_SOURCE_DIR}/testkit/replay_corpus.cc)
      target_link_libraries(${target} PRIVATE stint_${NAME} stint_flags)
      add_test(NAME ${NAME}.${stem}_corpus COMMAND ${target} ${dir}/corpus/${subject})
      set_tests_properties(${NAME}.${stem}_corpus PROPERTIES LABELS fast TIMEOUT 120)
    endif()
  endforeach()
endfunction()

# `make fuzz` reads the names and corpora from here.
function(stint_write_fuzz_list)
  if(STINT_FUZZ)
    get_property(targets GLOBAL PROPERTY STINT_FUZZ_TARGETS)
    list(JOIN targets "\n" text)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/fuzz-targets.txt CONTENT "${text}\n" @ONLY)
  endif()
endfunction()

# One test a pure module: its archive, taken alone, asks for no symbol that reaches the outside.
function(stint_check_pure_modules)
  if(NOT STINT_TESTS)
    return()
  endif()
  get_property(pure GLOBAL PROPERTY STINT_PURE)
  foreach(module IN LISTS pure)
    add_test(NAME ${module}.is_pure
      COMMAND ${CMAKE_SOURCE_DIR}/cmake/check_pure.sh $<TARGET_FILE:stint_${module}>)
    set_tests_properties(${module}.is_pure PROPERTIES LABELS fast)
  endforeach()
  # The check itself must be able to fail: base's edge files do reach the clock.
  if(TARGET stint_base)
    add_test(NAME purity_check_can_fail
      COMMAND ${CMAKE_SOURCE_DIR}/cmake/check_pure.sh $<TARGET_FILE:stint_base>)
    set_tests_properties(purity_check_can_fail PROPERTIES WILL_FAIL TRUE LABELS fast)
  endif()
endfunction()
