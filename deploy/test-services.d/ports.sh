# shellcheck shell=bash
# The block of ports of one set. Every port of every service is listed here, once.

PORTS=(guard
  amqp amqps amqp_management amqp_distribution epmd
  proton postgres sftp
  smtp smtps lmtp imap imaps pop3 pop3s
  smpp smpps smsc_control mqtt mqtts
  kannel_admin kannel_box kannel_http sap kannel_callback
  soap soap_npm)
BLOCK_SIZE=40
LOWEST_BLOCK=24000
HIGHEST_BLOCK=31960 # above it Linux hands out ports by itself

# The number of one port, by its name.
port() {
  local i
  for i in "${!PORTS[@]}"; do
    if [ "${PORTS[$i]}" = "$1" ]; then echo $(($(<"$RUN/block") + i)); return 0; fi
  done
  die "no port is named \`$1\`"
}

# Takes a block for the life of the set: a guard process listens on its first port, so a second
# set that looks at the same moment moves on.
take_block() {
  local first=$LOWEST_BLOCK last=$HIGHEST_BLOCK tries
  case "${METERHUB_TEST_PORT:-auto}" in
    auto) ;;
    *[!0-9]*) die "METERHUB_TEST_PORT must be \`auto\` or a number, not \`$METERHUB_TEST_PORT\`" ;;
    *) first=$METERHUB_TEST_PORT last=$METERHUB_TEST_PORT ;;
  esac
  spawn guard "${AS_SERVICE[@]}" perl "$TOOLS/hold-block.pl" "$first" "$last" "$BLOCK_SIZE"
  for ((tries = 0; tries < 200; tries++)); do
    if [ -s "$LOG/guard.log" ]; then break; fi
    sleep 0.02
  done
  if ! alive guard; then
    die "no block of $BLOCK_SIZE free ports: $(<"$LOG/guard.log"). METERHUB_TEST_PORT=auto looks for one"
  fi
  cp "$LOG/guard.log" "$RUN/block"
}

# Something accepts connections there. Bounded: a frozen server may leave a connect hanging.
accepts() { timeout 2 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null; }

# The server at this port greets with a line that holds this text.
greets() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; IFS= read -r line <&3; [[ $line == *"$2"* ]]' _ "$1" "$2" 2>/dev/null
}
