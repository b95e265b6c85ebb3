# ./dev deb and test-deb: the Debian package, and its life in a fresh Debian.

# The package of what is built now; `dev_deb VERSION FOLDER` makes it look like another version, for the upgrade test.
dev_deb() {
  local version=${1:-} folder=${2:-dist}
  BUILD_TARGET=programs dev_build build
  rm -rf "$folder"
  step "packing ${version:-the Debian package}" cpack --config build/CPackConfig.cmake -G DEB -B "$folder" ${version:+-D "CPACK_PACKAGE_VERSION=$version"}
  rm -rf "$folder/_CPack_Packages"
  say "$(ls "$folder"/*.deb) ($(du -h "$folder"/*.deb | cut -f1))"
}

# A Debian 12 to install into, made once.
need_chroot() {
  [ -z "${COROLLA_CHROOT:-}" ] || return 0
  [ -f .cache/deb/bookworm/made ] && return 0
  need_packages debootstrap
  rm -rf .cache/deb/bookworm && mkdir -p .cache/deb
  step "making a Debian 12 in .cache/deb (debootstrap)" as_root debootstrap --variant=minbase bookworm .cache/deb/bookworm
  as_root touch .cache/deb/bookworm/made
}

dev_test_deb() {
  need_chroot
  dev_deb 999.0 .cache/deb/next
  say "installing, upgrading, removing and purging it in a Debian of its own"
  as_root tests/deb/test_deb.sh "$(realpath "${COROLLA_CHROOT:-.cache/deb/bookworm}")" dist/*.deb .cache/deb/next/*.deb || die "the package's test failed"
}
