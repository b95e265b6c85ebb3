# corolla_room(NAME [PROTO file.proto ...] USES room ... LIBS lib ... [NO_TSAN])
#
# One static library a room from every .cc of the folder (and of the subfolders named in FOLDERS), plus, by file name:
#   *_test.cc -> one binary corolla_<room>_test, found by CTest (not under TSan with NO_TSAN);
#   *_fuzz.cc -> one libFuzzer binary each; *_bench.cc -> one Google Benchmark binary each.
# A test that lies in the tree cannot be missing from the build. The targets "tests" and "fuzzers" build all of them and nothing else.
add_custom_target(tests)
add_custom_target(fuzzers)

function(corolla_room NAME)
  cmake_parse_arguments(ROOM "NO_TSAN" "" "PROTO;USES;LIBS;FOLDERS;TEST_LIBS" ${ARGN})
  string(REPLACE "/" "_" TARGET corolla_${NAME})
  set(PATTERNS *.cc)
  foreach(FOLDER ${ROOM_FOLDERS})
    list(APPEND PATTERNS ${FOLDER}/*.cc)
  endforeach()
  file(GLOB SOURCES CONFIGURE_DEPENDS ${PATTERNS})
  set(TESTS ${SOURCES})
  set(FUZZERS ${SOURCES})
  set(BENCHES ${SOURCES})
  list(FILTER SOURCES EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")
  list(FILTER TESTS INCLUDE REGEX "_test\\.cc$")
  list(FILTER FUZZERS INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER BENCHES INCLUDE REGEX "_bench\\.cc$")

  set(USES)
  foreach(USE ${ROOM_USES})
    string(REPLACE "/" "_" USE corolla_${USE})
    list(APPEND USES ${USE})
  endforeach()

  if(SOURCES)
    set(SCOPE PUBLIC)
    add_library(${TARGET} STATIC ${SOURCES})
  else()
    set(SCOPE INTERFACE)  # headers only
    add_library(${TARGET} INTERFACE)
  endif()
  target_include_directories(${TARGET} ${SCOPE} ${CMAKE_SOURCE_DIR}/src)
  if(ROOM_PROTO)
    # Generated headers are included as "<room>/<name>.pb.h" and are not held to our warnings.
    add_library(${TARGET}_proto STATIC ${ROOM_PROTO})
    target_link_libraries(${TARGET}_proto PUBLIC protobuf::libprotobuf)
    target_include_directories(${TARGET}_proto SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/gen)
    target_compile_options(${TARGET}_proto PRIVATE -w)
    if(COROLLA_SANITIZE STREQUAL "address")
      # Half a minute each with instrumentation, and not our code.
      target_compile_options(${TARGET}_proto PRIVATE -fno-sanitize=all)
    endif()
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/gen)
    foreach(PROTO ${ROOM_PROTO})
      file(RELATIVE_PATH REL ${CMAKE_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR}/${PROTO})
      string(REGEX REPLACE "\\.proto$" "" STEM ${REL})
      add_custom_command(
        OUTPUT ${CMAKE_BINARY_DIR}/gen/${STEM}.pb.cc ${CMAKE_BINARY_DIR}/gen/${STEM}.pb.h
        COMMAND protobuf::protoc --cpp_out=${CMAKE_BINARY_DIR}/gen -I ${CMAKE_SOURCE_DIR}/src
                ${CMAKE_CURRENT_SOURCE_DIR}/${PROTO}
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${PROTO})
      target_sources(${TARGET}_proto PRIVATE ${CMAKE_BINARY_DIR}/gen/${STEM}.pb.cc)
    endforeach()
    target_link_libraries(${TARGET} ${SCOPE} ${TARGET}_proto)
    add_dependencies(${TARGET} ${TARGET}_proto)
  endif()
  target_link_libraries(${TARGET} ${SCOPE} ${USES} ${ROOM_LIBS} Threads::Threads)

  if(ROOM_NO_TSAN AND COROLLA_SANITIZE STREQUAL "thread")
    set(TESTS)
  endif()
  if(COROLLA_TESTS AND TESTS)
    add_executable(${TARGET}_test ${TESTS})
    target_link_libraries(${TARGET}_test PRIVATE ${TARGET} ${ROOM_TEST_LIBS} GTest::gmock GTest::gtest_main)
    target_compile_definitions(${TARGET}_test PRIVATE
      COROLLA_TESTDATA="${CMAKE_CURRENT_SOURCE_DIR}/testdata" COROLLA_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
      COROLLA_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
    add_test(NAME ${NAME} COMMAND ${TARGET}_test --gtest_brief=1)
    add_dependencies(tests ${TARGET}_test)
    set_tests_properties(${NAME} PROPERTIES TIMEOUT 900)
    if(COROLLA_SANITIZE)
      # OpenVINO's TBB otherwise loads a library in a way that the sanitizers forbid.
      set_tests_properties(${NAME} PROPERTIES ENVIRONMENT "TBB_ENABLE_SANITIZERS=1")
    endif()
  endif()
  if(COROLLA_FUZZ)
    foreach(FUZZER ${FUZZERS})
      get_filename_component(STEM ${FUZZER} NAME_WE)
      add_executable(${STEM} ${FUZZER})
      target_link_libraries(${STEM} PRIVATE ${TARGET} -fsanitize=fuzzer)
      add_dependencies(fuzzers ${STEM})
    endforeach()
  endif()
  if(COROLLA_BENCH)
    foreach(BENCH ${BENCHES})
      get_filename_component(STEM ${BENCH} NAME_WE)
      add_executable(${STEM} ${BENCH})
      target_link_libraries(${STEM} PRIVATE ${TARGET} benchmark::benchmark_main)
    endforeach()
  endif()
endfunction()
