# Compiler and linker settings shared by every target: warnings are errors, ccache and a fast linker where present.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers -fno-omit-frame-pointer)

find_program(MOLD mold)
if(MOLD AND NOT COROLLA_SANITIZE)
  add_link_options(-fuse-ld=mold)
endif()

if(COROLLA_SANITIZE STREQUAL "address")
  # Null pointers are found by ASan as well; the two checks together cost a quarter of the compile time.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,object-size -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(COROLLA_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Debian's libprotobuf was built without TSan, under which its map fields have two members more. libstdc++ must still know.
    add_compile_options(-U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
  endif()
  add_link_options(-fsanitize=thread)
elseif(COROLLA_SANITIZE)
  message(FATAL_ERROR "COROLLA_SANITIZE is '${COROLLA_SANITIZE}'; it may be empty, address or thread")
endif()
if(COROLLA_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR NOT COROLLA_SANITIZE STREQUAL "address")
    message(FATAL_ERROR "the fuzzers need clang and COROLLA_SANITIZE=address")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
