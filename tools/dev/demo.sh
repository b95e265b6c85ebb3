# ./dev demo: a fleet on this machine's cores, from pictures to figures. Ends with exit code 0 and leaves nothing running.

dev_demo() {
  local name=demo-$$ status address log=.cache/log/demo-fleet.log
  mkdir -p .cache/demo .cache/log
  say "starting a fleet: one worker on each core, the flower model on each"
  build/bin/corolla up --name "$name" --models models --cache .cache/models --http 0 --grpc 0 --metrics 0 --any 0 --json \
    >.cache/demo/status.json 2>"$log" &
  local fleet=$!
  trap 'kill $fleet 2>/dev/null; wait $fleet 2>/dev/null' EXIT
  local waited=0
  until [ -s .cache/demo/status.json ]; do
    kill -0 $fleet 2>/dev/null || { tail -n 20 "$log" >&2; die "the fleet did not start; its log is in $log"; }
    [ $waited -lt 1200 ] || die "the fleet is not ready after two minutes; its log is in $log"
    sleep 0.1
    waited=$((waited + 1))
  done
  address=$(python3 -c 'import json; print(json.load(open(".cache/demo/status.json"))["listeners"]["any"])')
  say "ready; HTTP and gRPC on $address"

  say "eight pictures through the fleet (models/flower/examples)"
  build/bin/corolla classify -u "$address" --top 2 models/flower/examples/0{00,12,25,38,50,63,76,88}a.jpg || die "classifying failed"

  say "load over HTTP, then gRPC: 1 and 4 requests outstanding"
  build/bin/corolla perf -m flower -u "$address" -i http --concurrency-range 1:4:3 -p 1500 -s 25 -f .cache/demo/http.csv || die "the load over HTTP failed"
  build/bin/corolla perf -m flower -u "$address" -i grpc --concurrency-range 4 -p 1500 -s 25 -f .cache/demo/grpc.csv || die "the load over gRPC failed"

  say "what each slice did"
  build/bin/corolla status --name "$name"
  build/bin/corolla stop --name "$name" >/dev/null
  wait $fleet || die "the fleet did not end well; its log is in $log"
  trap - EXIT
  say "done: figures in .cache/demo/*.csv, the fleet's log in $log. './dev up' leaves one running."
}
