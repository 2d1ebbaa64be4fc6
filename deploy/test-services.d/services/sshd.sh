# shellcheck shell=bash
# OpenSSH with SFTP only. As root: one user with a key and one with a password, both locked into
# the same folder. As an ordinary user: that user's own account, by key, not locked in.

sshd_needs() {
  needs /usr/sbin/sshd openssh-server
  needs sftp openssh-client
}

sshd_start() {
  local folder=$DATA/sshd files=$DATA/sshd/files inbox rules
  mkdir -p "$files"/{in,out,err,archive}
  sshd_keys "$folder"
  if is_root; then
    sshd_check_path "$files"
    mkdir -p /run/sshd # where it drops its rights
    add_account "$SFTP_KEY_USER"
    add_account "$SFTP_PASSWORD_USER" "$(openssl passwd -6 "$PASSWORD")"
    chmod 777 "$files"/*
    rules=$(sshd_locked_in "$files")
  else
    inbox=$files/in
    rules="PasswordAuthentication no
StrictModes no
ForceCommand internal-sftp -d $inbox"
  fi
  cat >"$folder/sshd_config" <<CONFIG
ListenAddress 127.0.0.1:$(port sftp)
HostKey $folder/host_ed25519
HostKey $folder/host_ecdsa
PidFile none
UsePAM no
PermitRootLogin no
KbdInteractiveAuthentication no
AuthorizedKeysFile $folder/authorized_keys
AllowTcpForwarding no
X11Forwarding no
MaxStartups 500
MaxSessions 100
Subsystem sftp internal-sftp
LogLevel VERBOSE
$rules
CONFIG
  spawn sshd "${AS_SELF[@]}" /usr/sbin/sshd -D -e -f "$folder/sshd_config"
}

sshd_keys() { # FOLDER
  local host
  if [ ! -f "$1/other_key" ]; then
    ssh-keygen -q -t ed25519 -N '' -f "$1/host_ed25519"
    ssh-keygen -q -t ecdsa -N '' -f "$1/host_ecdsa"
    ssh-keygen -q -t ed25519 -N '' -C hub -f "$1/key"
    ssh-keygen -q -t ed25519 -N '' -C stranger -f "$1/other_key"
  fi
  cp "$1/key.pub" "$1/authorized_keys"
  for host in ed25519 ecdsa; do
    echo "[127.0.0.1]:$(port sftp) $(cut -d' ' -f1,2 "$1/host_$host.pub")"
  done >"$1/known_hosts"
}

sshd_locked_in() { # FILES
  cat <<RULES
AllowUsers $SFTP_KEY_USER $SFTP_PASSWORD_USER
ChrootDirectory $1
ForceCommand internal-sftp -d /in
Match User $SFTP_KEY_USER
  AuthenticationMethods publickey
Match User $SFTP_PASSWORD_USER
  AuthenticationMethods password
RULES
}

# sshd refuses to lock a user in below a folder that anyone but root may change.
sshd_check_path() { # FILES
  local step=$1
  while :; do
    if [ "$(stat -c %u "$step")" != 0 ] || [ $((0$(stat -c %a "$step") & 022)) != 0 ]; then
      die "sshd needs every folder above its files owned by root and writable by root only; $step is not. Choose another METERHUB_TEST_DIR"
    fi
    [ "$step" != / ] || return 0
    step=$(dirname "$step")
  done
}

sshd_user() { if is_root; then echo "$SFTP_KEY_USER"; else id -un; fi; }

sshd_healthy() {
  timeout 5 sftp -q -b /dev/stdin -P "$(port sftp)" -i "$DATA/sshd/key" -o IdentitiesOnly=yes \
    -o UserKnownHostsFile="$DATA/sshd/known_hosts" -o GlobalKnownHostsFile=/dev/null -F /dev/null \
    -o ConnectTimeout=2 "$(sshd_user)@127.0.0.1" <<<ls >/dev/null 2>&1
}

sshd_env() {
  local path=/ folder=$DATA/sshd
  is_root || path=$folder/files
  cat <<ENV
export SFTP_URL=sftp://$(sshd_user)@127.0.0.1:$(port sftp) SFTP_KEY=$folder/key SFTP_OTHER_KEY=$folder/other_key
export SFTP_KNOWN_HOSTS=$folder/known_hosts SFTP_PATH=$path SFTP_FILES=$folder/files
ENV
  if is_root; then echo "export SFTP_PASSWORD_URL=sftp://$SFTP_PASSWORD_USER:$PASSWORD@127.0.0.1:$(port sftp)"; fi
}
