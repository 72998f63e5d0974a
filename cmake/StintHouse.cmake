# Tests of the house itself: the layering rule and the lints can each fail.
function(stint_house_tests)
  if(NOT STINT_TESTS)
    return()
  endif()
  function(edge_case CASE)  # further words: the reason that must be given
    add_test(NAME house.edges.${CASE}
      COMMAND ${CMAKE_SOURCE_DIR}/cmake/test/refusal.sh ${CMAKE_COMMAND} ${CMAKE_CXX_COMPILER}
        ${CMAKE_BINARY_DIR}/house/${CASE} ${CASE} ${ARGN})
    set_tests_properties(house.edges.${CASE} PROPERTIES LABELS fast TIMEOUT 120)
  endfunction()
  edge_case(sound)
  edge_case(upward "layer 1 must not depend on 'top' of layer 2")
  edge_case(upward_declared_later "depends on 'mid', which no layer below declares")
  edge_case(sideways "layer 0 must not depend on 'low' of layer 0")
  edge_case(unnamed_include "includes stint/low/, but DEPS does not name 'low'")
  edge_case(impure "pure, but depends on 'low', which is not")
  edge_case(no_layer "LAYER is missing")
  edge_case(unknown_word "unknown words: DEPENDS;mid")

  find_program(STINT_PYTHON NAMES python3 REQUIRED)
  add_test(NAME house.lint_can_fail COMMAND ${STINT_PYTHON} ${CMAKE_SOURCE_DIR}/scripts/lint --self-test)
  set_tests_properties(house.lint_can_fail PROPERTIES LABELS fast TIMEOUT 120)
endfunction()

# What is shipped, under one name: `make build` builds this and no test.
function(stint_programs_target)
  add_custom_target(stint_programs)
  foreach(program stint stint-verify)
    if(TARGET ${program})
      add_dependencies(stint_programs ${program})
    endif()
  endforeach()
endfunction()
