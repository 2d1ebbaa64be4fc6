# shellcheck shell=bash
# PostgreSQL with a cluster of its own: scram passwords, TLS on the same port.

postgres_programs() { printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1; }
postgres_needs() { needs "$(postgres_programs)/initdb" postgresql; }

postgres_start() {
  local folder programs
  folder=$(data_folder postgres)
  programs=$(postgres_programs)
  postgres_forget_dead_owner "$folder"
  echo "$PASSWORD" >"$folder/password"
  # The server reads its key only if no one else can.
  install -m 600 "$TLS/server.key" "$folder/server.key"
  if is_root; then chown "$SERVICE_USER:" "$folder/server.key"; fi
  # fsync off: tests kill processes, not the kernel.
  spawn postgres "${AS_SERVICE[@]}" bash "$TOOLS/postgres-main.sh" "$programs" "$folder" "$LOGIN" \
    -c "port=$(port postgres)" -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$folder" \
    -c ssl=on -c "ssl_cert_file=$TLS/server.crt" -c "ssl_key_file=$folder/server.key" \
    -c fsync=off -c full_page_writes=off -c wal_level=logical -c max_connections=200 -c shared_buffers=64MB \
    -c dynamic_shared_memory_type=mmap # in its folder: nothing stays in /dev/shm after a kill
}

# A killed server nobody reaped is a zombie, and PostgreSQL takes a zombie for the living owner.
postgres_forget_dead_owner() { # FOLDER
  local owner
  owner=$(head -n 1 "$1/cluster/postmaster.pid" 2>/dev/null) || return 0
  if ! lives "$owner" "$(started_at "$owner")"; then rm -f "$1/cluster/postmaster.pid" "$1"/.s.PGSQL.*; fi
}

# After a kill its 56 bytes of shared memory stay in the kernel; line 7 of the file names them.
postgres_clean_up() {
  local segment
  segment=$(sed -n '7s/.* //p' "$DATA/postgres/cluster/postmaster.pid" 2>/dev/null) || return 0
  [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null || :
}

postgres_healthy() {
  PGPASSWORD=$PASSWORD PGCONNECT_TIMEOUT=2 timeout 4 "$(postgres_programs)/psql" \
    -h 127.0.0.1 -p "$(port postgres)" -U "$LOGIN" -d postgres -Atqc 'select 1' >/dev/null 2>&1
}

postgres_ask_to_end() { kill -INT "$(main_pid postgres)" || :; } # "fast": closes sessions

postgres_env() {
  cat <<ENV
export POSTGRES_URL=postgres://$LOGIN:$PASSWORD@127.0.0.1:$(port postgres)/postgres
export PGHOST=127.0.0.1 PGPORT=$(port postgres) PGUSER=$LOGIN PGPASSWORD=$PASSWORD PGDATABASE=postgres
ENV
}
