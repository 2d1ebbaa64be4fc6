# shellcheck shell=bash
# RabbitMQ: AMQP 0-9-1 with and without TLS, AMQP 1.0 by its plugin, management.
# Its epmd (the directory of Erlang nodes) is private too, so none is left behind.

rabbitmq_needs() { needs /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server; }
rabbitmq_companions() { echo epmd; }

rabbitmq_start() {
  local folder epmd
  folder=$(data_folder rabbitmq)
  epmd=$(port epmd)
  rabbitmq_config "$folder"
  local node=("${AS_SERVICE[@]}" "HOME=$folder/home"
    "ERL_EPMD_PORT=$epmd" ERL_EPMD_ADDRESS=127.0.0.1
    RABBITMQ_NODENAME=hub@localhost "RABBITMQ_DIST_PORT=$(port amqp_distribution)"
    # Erlang terms in place of rabbitmq.conf: boots 0.7 s faster.
    "RABBITMQ_CONFIG_FILE=$folder/none" "RABBITMQ_ADVANCED_CONFIG_FILE=$folder/advanced.config"
    "RABBITMQ_ENABLED_PLUGINS_FILE=$folder/enabled_plugins" RABBITMQ_CONF_ENV_FILE=/dev/null
    "RABBITMQ_MNESIA_BASE=$folder/mnesia" "RABBITMQ_LOG_BASE=$folder/log"
    "RABBITMQ_PID_FILE=$folder/pid" "RABBITMQ_GENERATED_CONFIG_DIR=$folder/generated"
    # No busy waiting: tests share the machine's cores with it.
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}")
  spawn epmd "${AS_SERVICE[@]}" epmd -port "$epmd" -address 127.0.0.1
  # Not the wrapper of that name on the PATH: it insists on the account `rabbitmq`.
  spawn rabbitmq "${node[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server
}

rabbitmq_config() { # FOLDER
  mkdir -p "$1"/{mnesia,log,home}
  rm -f "$1/pid"
  [ -f "$1/home/.erlang.cookie" ] || openssl rand -hex 16 >"$1/home/.erlang.cookie"
  chmod 400 "$1/home/.erlang.cookie"
  echo '[rabbitmq_amqp1_0,rabbitmq_management].' >"$1/enabled_plugins"
  cat >"$1/advanced.config" <<CONFIG
[{rabbit,
  [{tcp_listeners, [{"127.0.0.1", $(port amqp)}]},
   {ssl_listeners, [{"127.0.0.1", $(port amqps)}]},
   {ssl_options, [{cacertfile, "$TLS/ca.crt"}, {certfile, "$TLS/server.crt"}, {keyfile, "$TLS/server.key"},
                  {verify, verify_peer}, {fail_if_no_peer_cert, false}]},
   {default_user, <<"$LOGIN">>}, {default_pass, <<"$PASSWORD">>},
   {vm_memory_high_watermark, {absolute, 536870912}}, {disk_free_limit, 52428800},
   {log, [{file, [{level, info}]}]}]},
 {rabbitmq_management, [{tcp_config, [{ip, "127.0.0.1"}, {port, $(port amqp_management)}]}]}].
CONFIG
  ! is_root || chown -R "$SERVICE_USER:" "$1"
}

rabbitmq_healthy() {
  curl -sf -m 3 -o /dev/null -u "$LOGIN:$PASSWORD" \
    "http://127.0.0.1:$(port amqp_management)/api/health/checks/virtual-hosts" &&
    accepts "$(port amqp)" && accepts "$(port amqps)"
}

rabbitmq_env() {
  cat <<ENV
export AMQP_URL=amqp://$LOGIN:$PASSWORD@127.0.0.1:$(port amqp)/%2f
export AMQPS_URL=amqps://$LOGIN:$PASSWORD@localhost:$(port amqps)/%2f
export AMQP10_URL=amqp://$LOGIN:$PASSWORD@127.0.0.1:$(port amqp)
export AMQP10S_URL=amqps://$LOGIN:$PASSWORD@localhost:$(port amqps)
export AMQP_MANAGEMENT_URL=http://$LOGIN:$PASSWORD@127.0.0.1:$(port amqp_management)
ENV
}

# The Erlang machine, below the start script.
rabbitmq_machine() {
  local pid _
  while read -r pid _; do
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = beam.smp ]; then echo "$pid"; fi
  done < <(trees rabbitmq)
}

rabbitmq_ask_to_end() {
  local machine
  machine=$(rabbitmq_machine)
  kill -TERM "${machine:-$(main_pid rabbitmq)}" || :
}

# Listeners and stores are closed 0.1 s after TERM; the 5 s that follow are the management plugin's.
rabbitmq_hurry() { # TRIES, 20 a second
  if [ "$1" -lt 25 ] || ! grep -qs 'stopped TCP listener' "$DATA/rabbitmq/log/hub@localhost.log"; then return 0; fi
  local machine
  machine=$(rabbitmq_machine)
  [ -z "$machine" ] || kill -KILL "$machine" 2>/dev/null || :
}
