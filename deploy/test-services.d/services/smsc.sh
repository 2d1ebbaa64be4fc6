# shellcheck shell=bash
# A simulated SMSC (SMPP 3.4, with and without TLS). The protocol engine is the npm package `smpp`;
# smsc.js adds only the table of behaviours and the control URL.

smsc_needs() {
  needs node nodejs
  needs npm npm
}
smsc_install() { node_package smpp 0.5.1; }

smsc_start() {
  local node=/usr/bin/node
  # One in a home folder is second choice: the service account may not be able to read it.
  [ -x $node ] || node=$(command -v node)
  spawn smsc "${AS_SERVICE[@]}" "NODE_PATH=$TOOLS/npm/node_modules" "SMPP_PORT=$(port smpp)" "SMPPS_PORT=$(port smpps)" \
    "CONTROL_PORT=$(port smsc_control)" "PASSWORD=$PASSWORD" "KEY=$TLS/server.key" "CERT=$TLS/server.crt" \
    "$node" "$TOOLS/smsc.js"
}

smsc_healthy() {
  curl -sf -m 3 -o /dev/null "http://127.0.0.1:$(port smsc_control)/health" && accepts "$(port smpp)" && accepts "$(port smpps)"
}

smsc_env() {
  cat <<ENV
export SMPP_ADDR=127.0.0.1:$(port smpp) SMPPS_ADDR=localhost:$(port smpps) SMPP_SYSTEM_ID=$LOGIN SMPP_PASSWORD=$PASSWORD
export SMSC_CONTROL_URL=http://127.0.0.1:$(port smsc_control)
ENV
}
