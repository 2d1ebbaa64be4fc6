# shellcheck shell=bash disable=SC2034 # settings are read by the other parts
# Settings, folders and messages. Nothing here touches the disk.

[ "$(uname -s)" = Linux ] || { echo "test-services: needs Linux (/proc, setpriv)" >&2; exit 1; }
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"

ALL_SERVICES=(rabbitmq proton postgres sshd exim dovecot smsc mosquitto mock-sap kannel soap)
read -ra DEFAULT_SET <<<"${METERHUB_TEST_SERVICES:-rabbitmq proton postgres sshd exim dovecot smsc mosquitto mock-sap kannel soap}"
WAIT=${METERHUB_TEST_WAIT:-120}
# One account on every service. It guards nothing: the services are reachable from this machine only.
LOGIN=hub
PASSWORD=hubpw
# Accounts made when run as root; an ordinary user is all of these itself.
SERVICE_USER=meterhub-test
SFTP_KEY_USER=meterhub-key
SFTP_PASSWORD_USER=meterhub-pass

say() { printf 'test-services: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }
is_root || SERVICE_USER=$(id -un)

umask 022

# A folder of its own for each checkout, so that two of them never meet.
private_folder() {
  local checkout sum name base=${XDG_CACHE_HOME:-${HOME:-}/.cache}
  checkout=$(dirname "$HERE")
  sum=$(cksum <<<"$checkout")
  name=$(basename "$checkout" | tr -cs 'A-Za-z0-9\n' - | cut -c 1-20)
  # As root under /srv: sshd locks a user into a folder only if root owns the whole path to it.
  if is_root; then base=/srv; fi
  echo "$base/meterhub-test-services/$name-${sum%% *}"
}
DIR=${METERHUB_TEST_DIR:-$(private_folder)}
DIR=${DIR%/}
case "$DIR" in /*) ;; *) die "METERHUB_TEST_DIR must be an absolute path, not \`$DIR\`" ;; esac
case "$DIR" in *[!A-Za-z0-9/._-]*) die "METERHUB_TEST_DIR may hold letters, digits and / . _ - only: \`$DIR\`" ;; esac
# The path of a Unix socket ends at 107 bytes, and Dovecot and PostgreSQL keep sockets in here.
[ ${#DIR} -le 70 ] || die "METERHUB_TEST_DIR must not be longer than 70 characters: \`$DIR\`"

RUN=$DIR/run     # process ids, variables of each service: one set's life
DATA=$DIR/data   # one folder for each service
LOG=$DIR/log
TLS=$DIR/tls
TOOLS=$DIR/tools # npm and Python packages, kept between sets

# `rabbitmq_start`, `mock_sap_healthy`: what services/NAME.sh defines.
call() { local name=$1 step=$2; shift 2; "${name//-/_}_$step" "$@"; }
offers() { declare -F "${1//-/_}_$2" >/dev/null; }
known() {
  local name
  for name in "$@"; do
    case " ${ALL_SERVICES[*]} " in *" $name "*) ;; *) die "there is no service \`$name\`, only: ${ALL_SERVICES[*]}" ;; esac
  done
}

# The folder of one service's data, owned by the account that runs it.
data_folder() {
  mkdir -p "$DATA/$1"
  ! is_root || chown "$SERVICE_USER:" "$DATA/$1"
  echo "$DATA/$1"
}
