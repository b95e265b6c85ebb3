# CUDA is used where nvcc is: COROLLA_CUDA. Kernels are compiled by calling nvcc ourselves, so that nothing else of the
# build knows the language; the host side is plain C++ with the toolkit's headers and its static runtime. libcuda is
# found at run time: what is built here also starts where there is no driver.
find_program(COROLLA_NVCC nvcc HINTS /usr/local/cuda/bin $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin)
if(COROLLA_NVCC AND NOT COROLLA_SANITIZE AND NOT COROLLA_FUZZ)
  set(HAVE_NVCC ON)
else()
  set(HAVE_NVCC OFF)
endif()
option(COROLLA_CUDA "Build the CUDA engine (needs nvcc)" ${HAVE_NVCC})

if(COROLLA_CUDA)
  get_filename_component(COROLLA_CUDA_HOME ${COROLLA_NVCC} REALPATH)
  get_filename_component(COROLLA_CUDA_HOME ${COROLLA_CUDA_HOME}/../.. ABSOLUTE)
  find_library(COROLLA_CUDART cudart_static REQUIRED
    HINTS ${COROLLA_CUDA_HOME}/lib64 ${COROLLA_CUDA_HOME}/lib ${COROLLA_CUDA_HOME}/targets/x86_64-linux/lib
          ${COROLLA_CUDA_HOME}/targets/sbsa-linux/lib)
  add_library(corolla_cudart INTERFACE)
  target_include_directories(corolla_cudart SYSTEM INTERFACE ${COROLLA_CUDA_HOME}/include)
  target_link_libraries(corolla_cudart INTERFACE ${COROLLA_CUDART} ${CMAKE_DL_LIBS} rt Threads::Threads)
endif()

# corolla_kernels(TARGET ARCH arch... FILES file.cu ...): a static library of kernels. ARCH: 80, 90a; each machine code
# alone, and PTX of the first, for devices to come.
function(corolla_kernels TARGET)
  cmake_parse_arguments(KERNELS "" "" "FILES" ${ARGN})
  set(OBJECTS)
  foreach(FILE ${KERNELS_FILES})
    get_filename_component(STEM ${FILE} NAME_WE)
    set(CODE -gencode=arch=compute_90a,code=sm_90a)
    if(NOT STEM MATCHES "wgmma")
      list(APPEND CODE -gencode=arch=compute_80,code=[sm_80,compute_80])
    endif()
    set(OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${STEM}.cu.o)
    add_custom_command(
      OUTPUT ${OBJECT}
      COMMAND ${COROLLA_NVCC} -std=c++20 -O3 -lineinfo -Xcompiler -Wall,-Wextra -I${CMAKE_SOURCE_DIR}/src ${CODE}
              -MD -MF ${OBJECT}.d -c ${FILE} -o ${OBJECT}
      DEPENDS ${FILE}
      DEPFILE ${OBJECT}.d
      COMMENT "nvcc ${STEM}.cu" VERBATIM)
    list(APPEND OBJECTS ${OBJECT})
  endforeach()
  add_library(${TARGET} STATIC ${OBJECTS})
  set_source_files_properties(${OBJECTS} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  set_target_properties(${TARGET} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(${TARGET} PUBLIC corolla_cudart)
endfunction()
