# ./dev check: formatting, clang-tidy on changed files, layers, docs.

cxx_files() { git ls-files --cached --others --exclude-standard -- 'src/*.h' 'src/*.cc' 'apps/*.h' 'apps/*.cc' 'tests/*.cc' 'bench/*.cc'; }

# Changed against COROLLA_BASE (default: the commit before this one), uncommitted changes included.
changed_files() {
  local base=${COROLLA_BASE:-HEAD~1}
  git rev-parse -q --verify "$base" >/dev/null || return 0
  git diff --name-only --diff-filter=d "$base" -- 'src/*.cc' 'apps/*.cc'
}

dev_check() {
  need_packages "$CHECK_PACKAGES"
  step "clang-format" check_format
  step "layers" python3 tools/check_layers
  step "docs" python3 tools/check_docs
  dev_tidy
}

dev_tidy() {
  local files
  mapfile -t files < <(changed_files)
  [ ${#files[@]} -gt 0 ] || { say "clang-tidy: no changed files"; return 0; }
  dev_build build
  step "clang-tidy on ${#files[@]} changed files" bash -c 'printf "%s\n" "$@" | xargs -P "$(nproc)" -n 1 clang-tidy -p build --quiet --warnings-as-errors="*"' tidy "${files[@]}"
}

check_format() { cxx_files | xargs -r clang-format --dry-run -Werror; }
