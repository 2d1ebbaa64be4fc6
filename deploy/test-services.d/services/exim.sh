# shellcheck shell=bash
# Exim: SMTP with STARTTLS, SMTPS, and AUTH (PLAIN and LOGIN behind TLS, CRAM-MD5). Hands mail to
# Dovecot. Some recipients answer on purpose: reject@ 550, greylist@ 451, full@ 452; noauth@ needs
# no account; a message above 5 MB gets 552.

exim_needs() { needs /usr/sbin/exim4 exim4-daemon-light; }
exim_requires() { echo dovecot; }

exim_start() {
  local folder
  folder=$(data_folder exim)
  mkdir -p "$folder"/{spool,log}
  if is_root; then chown -R "$SERVICE_USER:" "$folder"; fi
  exim_config "$folder" >"$folder/exim.conf"
  spawn exim "${AS_SERVICE[@]}" /usr/sbin/exim4 -C "$folder/exim.conf" -bdf -q1m
}

exim_config() { # FOLDER
  cat <<CONFIG
primary_hostname = localhost
spool_directory = $1/spool
log_file_path = $1/log/%slog
pid_file_path = $1/exim.pid
exim_user = $SERVICE_USER
exim_group = $(id -gn "$SERVICE_USER")
never_users =
local_interfaces = 127.0.0.1
daemon_smtp_ports = $(port smtp) : $(port smtps)
tls_on_connect_ports = $(port smtps)
tls_advertise_hosts = *
tls_certificate = $TLS/server.crt
tls_privatekey = $TLS/server.key
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
message_size_limit = 5M
queue_run_in_order = true
acl_smtp_rcpt = check_recipient
acl_smtp_data = check_data

begin acl
check_recipient:
  deny    local_parts = reject
          message     = 550 5.1.1 no such mailbox
  defer   local_parts = greylist
          message     = 451 4.7.1 greylisted, try again later
  defer   local_parts = full
          message     = 452 4.2.2 mailbox full
  accept  local_parts = noauth
  require message     = 530 5.7.0 authentication required
          authenticated = *
  accept
check_data:
  accept

begin routers
mailbox:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = dovecot

begin transports
# By LMTP, not into the Maildir: Exim refuses a path made of what a client sent.
dovecot:
  driver = smtp
  protocol = lmtp
  port = $(port lmtp)
  hosts_try_fastopen =
  hosts_avoid_tls = *
  allow_localhost

begin retry
* * F,5m,2s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{\$auth2}{$LOGIN}}{eq{\$auth3}{$PASSWORD}}}}
  server_set_id = \$auth2
  server_advertise_condition = \${if def:tls_in_cipher}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = \${if and{{eq{\$auth1}{$LOGIN}}{eq{\$auth2}{$PASSWORD}}}}
  server_set_id = \$auth1
  server_advertise_condition = \${if def:tls_in_cipher}
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = \${if eq{\$auth1}{$LOGIN}{$PASSWORD}fail}
  server_set_id = \$auth1
CONFIG
}

exim_healthy() { greets "$(port smtp)" '220 localhost' && accepts "$(port smtps)"; }

exim_env() {
  cat <<ENV
export SMTP_URL=smtp://$LOGIN:$PASSWORD@localhost:$(port smtp) SMTPS_URL=smtps://$LOGIN:$PASSWORD@localhost:$(port smtps)
ENV
}
