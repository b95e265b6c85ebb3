# COROLLA_PRECOMPILED: every room reads the standard library, and every test GoogleTest too, from one precompiled header. Reading them is most of what an unoptimised
# build does. Off by default: only a build without it shows that each file includes what it uses, and clang-tidy reads no other compiler's headers.
option(COROLLA_PRECOMPILED "Precompile what most files include" OFF)

# precompiled_headers(NAME HEADER LIBRARY...): makes them, with the flags that the libraries bring.
function(precompiled_headers NAME HEADER)
  file(WRITE ${CMAKE_BINARY_DIR}/precompiled/${NAME}.cc "")
  add_library(${NAME} OBJECT ${CMAKE_BINARY_DIR}/precompiled/${NAME}.cc)
  target_link_libraries(${NAME} PRIVATE ${ARGN})
  target_precompile_headers(${NAME} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled/${HEADER})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # For ccache, which compares contents.
    target_compile_options(${NAME} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()

if(COROLLA_PRECOMPILED)
  precompiled_headers(precompiled_standard standard.h spdlog::spdlog Threads::Threads)
  if(COROLLA_TESTS)
    precompiled_headers(precompiled_tests tests.h spdlog::spdlog Threads::Threads GTest::gmock GTest::gtest)
  endif()
endif()

# use_precompiled(TARGET NAME): with those of that name, where there are any.
function(use_precompiled TARGET NAME)
  if(COROLLA_PRECOMPILED)
    target_precompile_headers(${TARGET} REUSE_FROM ${NAME})
  endif()
endfunction()
