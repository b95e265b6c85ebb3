# What is installed and where, and the Debian package of it: cpack -G DEB (./dev deb).
#
# All programs lie in /usr/lib/corolla/bin, since the keeper looks for the others beside its own; /usr/bin has a link. OpenVINO comes from no
# package, so the parts of it that are used lie in /usr/lib/corolla/lib.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # the tests need not be built for a package

file(GLOB OPENVINO_LIBRARIES
  ${COROLLA_OPENVINO}/openvino/libs/libopenvino.so.*
  ${COROLLA_OPENVINO}/openvino/libs/libopenvino_intel_cpu_plugin.so
  ${COROLLA_OPENVINO}/openvino/libs/libopenvino_ir_frontend.so.*
  ${COROLLA_OPENVINO}/openvino/libs/libopenvino_onnx_frontend.so.*
  ${COROLLA_OPENVINO}/openvino/libs/libtbb.so.*
  ${COROLLA_OPENVINO}/openvino/libs/libtbbmalloc.so.*
  ${COROLLA_OPENVINO}/openvino/libs/libtbbbind_2_5.so.*
  ${COROLLA_OPENVINO}/openvino/libs/libhwloc.so.*)
install(FILES ${OPENVINO_LIBRARIES} DESTINATION lib/corolla/lib)
install(DIRECTORY models/flower DESTINATION share/corolla/models)
install(FILES deploy/corolla.yaml DESTINATION /etc/corolla)
install(FILES deploy/systemd/corolla.service DESTINATION lib/systemd/system)
install(FILES README.md docs/corolla.md docs/corolla-yaml.md docs/models.md docs/external-workers.md docs/deploy.md
  DESTINATION share/doc/corolla)
install(FILES deploy/systemd/mig.conf deploy/prometheus/prometheus.yml deploy/prometheus/corolla.rules.yml deploy/grafana/corolla.json
  DESTINATION share/doc/corolla/examples)

# Manual pages and completions are what the program itself prints.
install(CODE [[
  set(DATA $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/share)
  set(COROLLA $<TARGET_FILE:corolla>)
  function(print_into FILE)
    get_filename_component(FOLDER ${FILE} DIRECTORY)
    file(MAKE_DIRECTORY ${FOLDER})
    execute_process(COMMAND ${COROLLA} ${ARGN} OUTPUT_FILE ${FILE} COMMAND_ERROR_IS_FATAL ANY)
  endfunction()
  execute_process(COMMAND ${COROLLA} help --man-pages ${DATA}/man/man1 COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB PAGES ${DATA}/man/man1/corolla*.1)
  execute_process(COMMAND gzip -9nf ${PAGES} COMMAND_ERROR_IS_FATAL ANY)
  print_into(${DATA}/bash-completion/completions/corolla completion bash)
  print_into(${DATA}/zsh/vendor-completions/_corolla completion zsh)
  print_into(${DATA}/fish/vendor_completions.d/corolla.fish completion fish)
  file(MAKE_DIRECTORY $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin)
  file(CREATE_LINK ../lib/corolla/bin/corolla $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin/corolla SYMBOLIC)
]])

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME corolla)
set(CPACK_PACKAGE_VENDOR "Corolla developers")
set(CPACK_PACKAGE_CONTACT "Corolla developers <corolla@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "inference on isolated slices of one machine")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Turns one accelerator, or the cores of a CPU, into isolated slices, runs one
inference worker on each, and puts one address in front that speaks KServe v2
as Triton's clients know it. One file, one command, or one systemd unit.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${COROLLA_OPENVINO}/openvino/libs)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles ${CMAKE_SOURCE_DIR}/deploy/debian/postinst
  ${CMAKE_SOURCE_DIR}/deploy/debian/prerm ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
include(CPack)
