# How ./dev talks: one line a step, colours only on a terminal, and the log's end when a step fails.
if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' PLAIN=$'\e[0m'; else BOLD='' DIM='' RED='' PLAIN=''; fi

say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"; }
die() { printf '%serror:%s %s\n' "$RED" "$PLAIN" "$1" >&2; exit "${2:-1}"; }

# step "what it does" COMMAND...: runs it with its output in .cache/log/; a running clock on a terminal; on failure shows the log's end.
step() {
  local what=$1 log start=$SECONDS pid
  shift
  mkdir -p .cache/log
  log=.cache/log/$(printf %s "$what" | tr -cs 'A-Za-z0-9' -).log
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  if [ -t 1 ]; then
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r%s==>%s %s %s%ds %.60s%s\e[K' "$BOLD" "$PLAIN" "$what" "$DIM" $((SECONDS - start)) "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r')" "$PLAIN"
      sleep 0.5
    done
    printf '\r\e[K'
  fi
  if wait "$pid"; then
    say "$what (${DIM}$((SECONDS - start)) s$PLAIN)"
  else
    tail -n 40 "$log" >&2
    die "$what failed; the whole log is in $log"
  fi
}
