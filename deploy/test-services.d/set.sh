# shellcheck shell=bash
# The verbs: what happens to a whole set of services.

set_start() {
  known "$@"
  known "${DEFAULT_SET[@]}"
  local chosen=("$@") name
  if [ $# -eq 0 ]; then chosen=("${DEFAULT_SET[@]}"); fi
  read -ra chosen <<<"$(with_required "${chosen[@]}")"

  open_folder
  install_set "${chosen[@]}"
  if is_root; then add_account "$SERVICE_USER"; fi
  make_certificates

  STARTED=()
  trap undo_start EXIT
  trap 'exit 130' INT TERM
  if ! alive guard; then begin_set; fi
  for name in "${chosen[@]}"; do
    if ! alive "$name"; then start_service "$name"; fi
  done
  wait_until_healthy "${chosen[@]}"
  trap - EXIT INT TERM
  say "healthy: ${chosen[*]}"
}

set_stop() {
  known "$@"
  if [ ! -d "$RUN" ]; then say "nothing runs"; return 0; fi
  lock
  if [ $# -gt 0 ]; then stop_services "$@"; else end_set; fi
}

set_status() {
  local name all_well=0
  if [ ! -d "$RUN" ]; then say "nothing runs"; return 1; fi
  echo "folder $DIR, ports from $(cat "$RUN/block" 2>/dev/null || echo '?')"
  for name in $(members); do describe "$name" || all_well=1; done
  return "$all_well"
}

set_env() {
  if ! alive guard; then
    echo false # so that `eval "$(test-services env)"` fails too
    die "nothing runs; \`test-services start\` first"
  fi
  echo "export TLS_CA=$TLS/ca.crt TLS_CLIENT_CERT=$TLS/client.crt TLS_CLIENT_KEY=$TLS/client.key TLS_OTHER_CA=$TLS/other-ca.crt"
  cat "$RUN"/*.env
}

set_run() { # CMD...
  local code=0
  set_start "${DEFAULT_SET[@]}"
  trap 'lock; undo_start' EXIT
  trap 'exit 130' INT TERM
  # The lock goes now: the command may itself kill and start services.
  exec 9>&-
  (eval "$(set_env)" && exec "$@") || code=$?
  exit "$code"
}

set_kill() {
  known "$@"
  local name list
  for name in "$@"; do must_run "$name"; done
  # shellcheck disable=SC2046 # one word for each process
  list=$(trees $(each_process "$@"))
  kill_left "$list"
  for name in $(each_process "$@"); do rm -f "$RUN/$name.pid"; done
}

set_pause() { signal_services STOP "$@"; }
set_resume() { signal_services CONT "$@"; }

# ---- the set as a whole

open_folder() {
  # Old data is removed at each new set, so the folder must be known to be ours.
  if [ -d "$DIR" ] && [ ! -e "$DIR/.test-services" ] && [ -n "$(ls -A "$DIR")" ]; then
    die "$DIR holds files that are not ours: choose another METERHUB_TEST_DIR"
  fi
  mkdir -p "$DIR" "$LOG" "$TOOLS" || die "cannot write in $DIR: choose another METERHUB_TEST_DIR"
  : >"$DIR/.test-services"
  lock
  # Copies: the service account may not be able to read the checkout.
  cp "$PARTS"/{hold-block.pl,services/postgres-main.sh,services/smsc.js,services/soap.js,services/soap.py} "$TOOLS/"
}

lock() {
  exec 9>"$DIR/lock"
  flock -w 300 9 || die "another test-services works in $DIR for 5 minutes now"
}

# Without a hash no password fits. (An empty field would be a locked account, which sshd refuses.)
add_account() { # NAME [PASSWORD-HASH]
  id "$1" >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir / \
    --shell /usr/sbin/nologin --password "${2:-*}" "$1" || id "$1" >/dev/null # another checkout was faster
}

begin_set() {
  # What a set left that lost its guard.
  # shellcheck disable=SC2046 # one word for each service
  stop_services $(members)
  kill_marked
  rm -rf "$RUN"
  if [ "${METERHUB_TEST_KEEP:-0}" != 1 ]; then rm -rf "$DATA"; fi
  mkdir -p "$RUN" "$DATA"
  STARTED+=(guard)
  take_block
}

# Stops what this start started: when it failed, or when `run` is through. The logs stay. (Runs in
# a trap, where a bare `return` hands on the code of the failure; so every `return` says its own.)
undo_start() {
  if [[ " ${STARTED[*]} " == *" guard "* ]]; then end_set; else stop_services "${STARTED[@]}"; fi
}

end_set() {
  local name busy=()
  if [ ! -d "$RUN" ]; then return 0; fi
  # shellcheck disable=SC2046 # one word for each service
  stop_services $(members)
  kill_marked
  for name in "${PORTS[@]:1}"; do
    if [ -s "$RUN/block" ] && accepts "$(port "$name")"; then busy+=("$name=$(port "$name")"); fi
  done
  end_processes guard
  rm -rf "$RUN"
  [ ${#busy[@]} -eq 0 ] || die "stopped, but something still listens: ${busy[*]}"
  say "stopped"
}

# ---- one service

# The services with those they need, each once.
with_required() {
  local name required all=" "
  for name in "$@"; do
    if offers "$name" requires; then
      for required in $(call "$name" requires); do
        [[ $all == *" $required "* ]] || all+="$required "
      done
    fi
    [[ $all == *" $name "* ]] || all+="$name "
  done
  echo "$all"
}

members() { # of the running set, killed ones too: there is a file of variables for each
  local file
  for file in "$RUN"/*.env; do
    [ -e "$file" ] || continue
    file=${file##*/}
    echo "${file%.env}"
  done
}

each_process() { local name; for name in "$@"; do processes_of "$name"; done; }

start_service() {
  STARTED+=("$1")
  # shellcheck disable=SC2046 # one word for each process
  end_processes $(processes_of "$1") # a companion may outlive a crash
  : >"$RUN/$1.env"
  call "$1" start
  call "$1" env >"$RUN/$1.env"
}

# Companions last: RabbitMQ's node says goodbye to its epmd.
stop_services() {
  [ $# -gt 0 ] || return 0
  end_processes "$@"
  local name
  for name in "$@"; do
    # shellcheck disable=SC2046 # one word for each process
    end_processes $(processes_of "$name")
    if offers "$name" clean_up; then call "$name" clean_up; fi
    rm -f "$RUN/$name.env"
  done
}

must_run() { alive "$1" || die "$1 does not run"; }

signal_services() { # SIGNAL NAME...
  local signal=$1 name
  shift
  known "$@"
  for name in "$@"; do must_run "$name"; done
  # shellcheck disable=SC2046 # one word for each process
  signal_trees "$signal" $(each_process "$@")
}

wait_until_healthy() { # SERVICE...
  local left=("$@") name still deadline=$((SECONDS + WAIT)) pause=0.05
  while :; do
    still=()
    for name in "${left[@]}"; do
      alive "$name" || { show_log "$name"; die "$name ended instead of starting, see above"; }
      call "$name" healthy 2>/dev/null || still+=("$name")
    done
    [ ${#still[@]} -gt 0 ] || return 0
    left=("${still[@]}")
    if ((SECONDS >= deadline)); then
      for name in "${left[@]}"; do show_log "$name"; done
      die "not healthy after $WAIT s (METERHUB_TEST_WAIT): ${left[*]}"
    fi
    if ((SECONDS > deadline - WAIT + 15)); then pause=1; fi # something is wrong: spare the machine
    sleep $pause
  done
}

show_log() { { echo "--- end of $LOG/$1.log"; tail -n 15 "$LOG/$1.log"; echo "---"; } >&2; }

describe() { # SERVICE -> one line; fails unless healthy
  local state=healthy code=0 memory
  if ! alive "$1"; then printf '%-10s down\n' "$1"; return 1; fi
  call "$1" healthy 2>/dev/null || state="not answering" code=1
  memory=$(memory_mb "$1")
  printf '%-10s %-13s pid %-8s %4s MB\n' "$1" "$state" "$(main_pid "$1")" "$memory"
  return "$code"
}

memory_mb() { # SERVICE: proportional set size of all its processes
  local pid _
  # shellcheck disable=SC2046 # one word for each process
  trees $(processes_of "$1") | while read -r pid _; do
    awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null || :
  done | awk '{ kb += $1 } END { printf "%d", kb / 1024 }'
}
