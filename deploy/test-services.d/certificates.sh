# shellcheck shell=bash
# A certificate authority of this set's own, a server's and a client's certificate, and the
# certificate of an authority that signed neither.

make_certificates() {
  local week=604800
  if [ -f "$TLS/made" ] && openssl x509 -checkend "$week" -noout -in "$TLS/server.crt" >/dev/null; then return 0; fi
  mkdir -p "$TLS"
  (
    cd "$TLS"
    make_authority ca 'Meterhub test services'
    make_authority other-ca 'Somebody else'
    make_leaf server localhost
    make_leaf client meterhub
    rm -f ./*.csr ./*.srl
    chmod 600 ./*.key
    if is_root; then chown "$SERVICE_USER:" ./*.key; fi
    : >made
  ) >"$LOG/openssl.log" 2>&1 || die "openssl failed, see $LOG/openssl.log"
}

NEW_KEY=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

make_authority() { # FILE NAME
  openssl req -x509 "${NEW_KEY[@]}" -days 730 -keyout "$1.key" -out "$1.crt" -subj "/CN=$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

make_leaf() { # FILE NAME
  openssl req "${NEW_KEY[@]}" -keyout "$1.key" -out "$1.csr" -subj "/CN=$2"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" \
    -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
}
