#!/usr/bin/env bash
# postgres-main.sh PROGRAMS FOLDER USER OPTION...: makes the cluster if it is not there, becomes the server.
set -euo pipefail
programs=$1 folder=$2 user=$3
shift 3
if [ ! -f "$folder/cluster/PG_VERSION" ]; then
  rm -rf "$folder/cluster"
  "$programs/initdb" -D "$folder/cluster" -U "$user" -A scram-sha-256 --pwfile="$folder/password" \
    -E UTF8 --locale=C.UTF-8 --no-sync
  cat >"$folder/cluster/pg_hba.conf" <<'RULES'
local all         all              trust
host  all         all 127.0.0.1/32 scram-sha-256
host  replication all 127.0.0.1/32 scram-sha-256
RULES
fi
exec "$programs/postgres" -D "$folder/cluster" "$@"
