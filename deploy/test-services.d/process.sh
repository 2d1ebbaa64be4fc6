# shellcheck shell=bash
# Processes: start one, know whether it lives, end it with all it started.
# RUN/NAME.pid holds "PID START-TIME"; the start time tells a process from a later one with its id.

# Prefixes that run a program as ourselves, or as the service account with a clean environment. Both
# end in `env`, so NAME=VALUE words may follow. The mark finds what outlives its parent.
MARK=METERHUB_TEST_SET=$DIR
AS_SELF=(env "$MARK")
AS_SERVICE=("${AS_SELF[@]}")
if is_root; then
  AS_SERVICE=(setpriv "--reuid=$SERVICE_USER" "--regid=$SERVICE_USER" --clear-groups --reset-env --
    env "$MARK" "PATH=$PATH" "HOME=$DIR" LC_ALL=C.UTF-8)
fi
export AS_SELF AS_SERVICE

spawn() { # NAME CMD...
  local name=$1 pid
  shift
  : >"$LOG/$name.log" # now, not when the child gets to it: who waits for a line must not see an old one
  # From our folder: the service account may not be allowed into the caller's.
  (cd "$DIR" && exec setsid -- "$@") >>"$LOG/$name.log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid $(started_at "$pid")" >"$RUN/$name.pid"
}

# "STATE START-TIME" of a process, from its line in /proc; nothing if there is none.
read_process() { # PID
  local line fields
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  read -ra fields <<<"${line##*) }" # its name, in brackets, may hold anything
  echo "${fields[0]} ${fields[19]}"
}
started_at() { local state started; read -r state started <<<"$(read_process "$1")"; echo "${started:-}"; }

# A killed process whose parent does not reap it stays a zombie; `kill -0` would call it alive.
lives() { # PID START-TIME
  local state started
  [ -n "$1" ] || return 1
  read -r state started <<<"$(read_process "$1")"
  [ -n "$started" ] && [ "$started" = "$2" ] && [ "$state" != Z ]
}

alive() { # NAME
  local pid started
  [ -f "$RUN/$1.pid" ] || return 1
  read -r pid started <"$RUN/$1.pid" || :
  lives "$pid" "${started:-}"
}

main_pid() { local pid _; read -r pid _ <"$RUN/$1.pid"; echo "$pid"; }

# "PID START-TIME" of a process and all below it; some have sessions of their own.
tree_of() { # PID
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" '
    { pid = $1; sub(/^.*\) /, ""); parent[pid] = $2; start[pid] = $20; zombie[pid] = ($1 == "Z") }
    END {
      in_tree[root] = 1
      do { more = 0
        for (pid in parent) if (!(pid in in_tree) && (parent[pid] in in_tree)) { in_tree[pid] = 1; more = 1 }
      } while (more)
      for (pid in in_tree) if ((pid in parent) && !zombie[pid]) print pid, start[pid]
    }' || :
}

trees() { # NAME...
  local name
  for name in "$@"; do
    if alive "$name"; then tree_of "$(main_pid "$name")"; fi
  done
}

# A service's own process and its companions (RabbitMQ's epmd, Kannel's smsbox).
processes_of() { # SERVICE
  echo "$1"
  if offers "$1" companions; then call "$1" companions; fi
}

signal_trees() { # SIGNAL NAME...
  local signal=$1 pid _
  shift
  while read -r pid _; do kill "-$signal" "$pid" 2>/dev/null || :; done < <(trees "$@")
}

any_left() { # list of "PID START-TIME"
  local pid started
  while read -r pid started; do
    if lives "$pid" "$started"; then return 0; fi
  done <<<"$1"
  return 1
}

kill_left() { # list of "PID START-TIME"; returns when they are gone, their ports closed
  local pid started tries
  while read -r pid started; do
    if lives "$pid" "$started"; then kill -KILL "$pid" 2>/dev/null || :; fi
  done <<<"$1"
  for ((tries = 0; tries < 250; tries++)); do
    any_left "$1" || return 0
    sleep 0.02
  done
  die "still there 5 s after SIGKILL: ${1//$'\n'/, }"
}

# Asks each to end, waits 10 s at most, then kills what is left of them.
end_processes() { # NAME...
  local name list tries
  list=$(trees "$@")
  for name in "$@"; do
    alive "$name" || continue
    if offers "$name" ask_to_end; then call "$name" ask_to_end; else kill -TERM "$(main_pid "$name")" || :; fi
  done
  signal_trees CONT "$@" # a paused one hears nothing else
  for ((tries = 0; tries < 200; tries++)); do
    any_left "$list" || break
    for name in "$@"; do
      if offers "$name" hurry; then call "$name" hurry "$tries"; fi
    done
    sleep 0.05
  done
  kill_left "$list"
  for name in "$@"; do rm -f "$RUN/$name.pid"; done
}

# What carries our mark and still runs: orphans of a service that ended without them.
kill_marked() {
  local file pid guard=none list=""
  if alive guard; then guard=$(main_pid guard); fi
  for file in $(grep -lzsxF "$MARK" /proc/[0-9]*/environ 2>/dev/null || :); do
    pid=${file#/proc/}
    pid=${pid%/environ}
    if [ "$pid" != "$guard" ]; then list+="$pid $(started_at "$pid")"$'\n'; fi
  done
  kill_left "$list"
}
