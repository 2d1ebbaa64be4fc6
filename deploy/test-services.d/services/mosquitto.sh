# shellcheck shell=bash
# Mosquitto: MQTT 3.1.1 and 5, with and without TLS, with a password.

mosquitto_needs() {
  needs mosquitto mosquitto
  needs mosquitto_pub mosquitto-clients
}

mosquitto_start() {
  local folder
  folder=$(data_folder mosquitto)
  : >"$folder/passwords"
  mosquitto_passwd -b "$folder/passwords" "$LOGIN" "$PASSWORD"
  cat >"$folder/mosquitto.conf" <<CONFIG
per_listener_settings false
allow_anonymous false
password_file $folder/passwords
persistence true
persistence_location $folder/
listener $(port mqtt) 127.0.0.1
listener $(port mqtts) 127.0.0.1
cafile $TLS/ca.crt
certfile $TLS/server.crt
keyfile $TLS/server.key
CONFIG
  if is_root; then chown -R "$SERVICE_USER:" "$folder"; fi
  spawn mosquitto "${AS_SERVICE[@]}" mosquitto -c "$folder/mosquitto.conf"
}

mosquitto_healthy() {
  timeout 3 mosquitto_pub -h 127.0.0.1 -p "$(port mqtt)" -u "$LOGIN" -P "$PASSWORD" -t health -n -q 1 >/dev/null 2>&1
}

mosquitto_env() {
  echo "export MQTT_URL=mqtt://$LOGIN:$PASSWORD@127.0.0.1:$(port mqtt) MQTTS_URL=mqtts://$LOGIN:$PASSWORD@localhost:$(port mqtts)"
}
