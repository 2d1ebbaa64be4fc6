# shellcheck shell=bash
# Kannel: an HTTP SMS gateway with delivery reports, in front of the simulated SMSC. What telephones
# write it passes on to `/callback` at a port where a test may listen.

kannel_needs() { needs /usr/sbin/bearerbox kannel; }
kannel_requires() { echo smsc; }
kannel_companions() { echo smsbox; }

kannel_start() {
  local folder tries
  folder=$(data_folder kannel)
  kannel_config >"$folder/kannel.conf"
  spawn kannel "${AS_SERVICE[@]}" /usr/sbin/bearerbox -v 1 "$folder/kannel.conf"
  # smsbox ends at once if its bearerbox does not listen yet.
  for ((tries = 0; tries < 100; tries++)); do
    if accepts "$(port kannel_box)"; then break; fi
    sleep 0.05
  done
  spawn smsbox "${AS_SERVICE[@]}" /usr/sbin/smsbox -v 1 "$folder/kannel.conf"
}

kannel_config() {
  cat <<CONFIG
group = core
admin-port = $(port kannel_admin)
admin-interface = 127.0.0.1
admin-password = $PASSWORD
smsbox-port = $(port kannel_box)
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
dlr-storage = internal
log-level = 1

group = smsc
smsc = smpp
smsc-id = simulator
host = 127.0.0.1
port = $(port smpp)
transceiver-mode = true
smsc-username = gateway
smsc-password = $PASSWORD
system-type = ""
interface-version = 34
source-addr-autodetect = true
enquire-link-interval = 5
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = $(port kannel_box)
sendsms-port = $(port kannel_http)
sendsms-interface = 127.0.0.1
global-sender = HUB
log-level = 1

group = sendsms-user
username = $LOGIN
password = $PASSWORD
concatenation = true
max-messages = 10
# Refused for ever, with 400.
black-list-regex = ^\+99999

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:$(port kannel_callback)/callback?from=%p&to=%P&text=%b&sms=%I"
CONFIG
}

kannel_healthy() {
  curl -sf -m 3 "http://127.0.0.1:$(port kannel_admin)/status.txt?password=$PASSWORD" | grep -q online &&
    accepts "$(port kannel_http)"
}

kannel_env() {
  cat <<ENV
export SMS_HTTP_URL=http://127.0.0.1:$(port kannel_http)/cgi-bin/sendsms SMS_HTTP_USER=$LOGIN SMS_HTTP_PASSWORD=$PASSWORD
export SMS_HTTP_CALLBACK_ADDR=127.0.0.1:$(port kannel_callback)
export KANNEL_ADMIN_URL=http://127.0.0.1:$(port kannel_admin)
ENV
}
