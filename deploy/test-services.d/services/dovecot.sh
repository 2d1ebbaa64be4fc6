# shellcheck shell=bash
# Dovecot: takes mail by LMTP, keeps it in Maildirs, gives it out by IMAP and POP3, with and
# without TLS. Any user name with the one password has a mailbox.

dovecot_needs() {
  needs /usr/lib/dovecot/imap dovecot-imapd
  needs /usr/lib/dovecot/pop3 dovecot-pop3d
  needs /usr/lib/dovecot/lmtp dovecot-lmtpd
}

dovecot_start() {
  local folder
  folder=$(data_folder dovecot)
  cat >"$folder/dovecot.conf" <<CONFIG
base_dir = $folder/base
state_dir = $folder/state
instance_name = meterhub-test-$(port guard)
protocols = imap pop3 lmtp
listen = 127.0.0.1
log_path = /dev/stderr
ssl = yes
ssl_cert = <$TLS/server.crt
ssl_key = <$TLS/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
default_internal_user = $SERVICE_USER
default_internal_group = $(id -gn "$SERVICE_USER")
default_login_user = $SERVICE_USER
first_valid_uid = 1
shutdown_clients = yes
mail_location = maildir:$folder/mail/%n
passdb {
  driver = static
  args = password=$PASSWORD
}
userdb {
  driver = static
  args = uid=$(id -u "$SERVICE_USER") gid=$(id -g "$SERVICE_USER") home=$folder/mail/%n
}
service anvil {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $(port imap)
  }
  inet_listener imaps {
    port = $(port imaps)
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = $(port pop3)
  }
  inet_listener pop3s {
    port = $(port pop3s)
  }
}
service lmtp {
  inet_listener lmtp {
    port = $(port lmtp)
  }
}
CONFIG
  spawn dovecot "${AS_SERVICE[@]}" /usr/sbin/dovecot -F -c "$folder/dovecot.conf"
}

dovecot_healthy() {
  greets "$(port imap)" '* OK' && greets "$(port pop3)" '+OK' && greets "$(port lmtp)" 220 && accepts "$(port imaps)"
}

dovecot_env() {
  cat <<ENV
export IMAP_URL=imap://$LOGIN:$PASSWORD@127.0.0.1:$(port imap) IMAPS_URL=imaps://$LOGIN:$PASSWORD@localhost:$(port imaps)
export POP3_URL=pop3://$LOGIN:$PASSWORD@127.0.0.1:$(port pop3) POP3S_URL=pop3s://$LOGIN:$PASSWORD@localhost:$(port pop3s)
export LMTP_ADDR=127.0.0.1:$(port lmtp) MAILDIRS=$DATA/dovecot/mail
ENV
}
