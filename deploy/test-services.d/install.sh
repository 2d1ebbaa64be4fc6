# shellcheck shell=bash
# Installs what a set needs: Debian packages by apt, the SMPP library by npm, mock-sap by pip.
# Each service lists its needs in NAME_needs, with the three words below.

MISSING=()      # Debian packages
MISSING_FOR=""  # "package (service), ..." for messages
CURRENT=""      # the service whose needs are being read

# needs PROGRAM-OR-PATH PACKAGE
needs() {
  if command -v "$1" >/dev/null || [ -e "$1" ]; then return 0; fi
  lacks "$2"
}
lacks() { # PACKAGE
  MISSING+=("$1")
  MISSING_FOR="${MISSING_FOR:+$MISSING_FOR, }$1 (for $CURRENT)"
}

install_set() { # SERVICE...
  read_needs "$@"
  if [ ${#MISSING[@]} -gt 0 ]; then
    install_debian
    read_needs "$@"
    [ ${#MISSING[@]} -eq 0 ] || cannot "$MISSING_FOR" "apt-get is content, yet its programs are not where Debian 12 has them"
  fi
  for CURRENT in "$@"; do
    if offers "$CURRENT" install; then call "$CURRENT" install; fi
  done
}

read_needs() { # SERVICE...
  MISSING=() MISSING_FOR="" CURRENT="every service"
  needs openssl openssl
  needs curl curl
  needs perl perl-base
  needs setpriv util-linux
  for CURRENT in "$@"; do call "$CURRENT" needs; done
}

install_debian() {
  local by_hand="apt-get install --no-install-recommends ${MISSING[*]}" as_root=()
  command -v apt-get >/dev/null || cannot "$MISSING_FOR" "there is no apt-get here; install what your system calls these packages"
  if ! is_root; then
    timeout 5 sudo -n true 2>/dev/null || cannot "$MISSING_FOR" "installing needs root. Run once as root: $by_hand"
    as_root=(sudo -n)
  fi
  say "installing ${MISSING[*]}"
  : >"$LOG/apt.log"
  "${as_root[@]}" "$PARTS/apt-install" "$LOG/apt.log" "${MISSING[@]}" || {
    tail -n 8 "$LOG/apt.log" >&2
    cannot "$MISSING_FOR" "apt-get failed, see above and $LOG/apt.log. By hand: $by_hand"
  }
}

# The end of a start: says what is missing, how to get it and how to do without.
cannot() { # WHAT HOW
  say "cannot install $1"
  say "$2"
  die "to start without a service, list the others in METERHUB_TEST_SERVICES"
}

# node_package NAME VERSION -> TOOLS/npm/node_modules/NAME
node_package() {
  if [ -f "$TOOLS/npm/$1@$2" ]; then return 0; fi
  say "installing $1@$2 by npm"
  mkdir -p "$TOOLS/npm"
  # Kept: npm removes whatever it does not name.
  [ -f "$TOOLS/npm/package.json" ] || echo '{"name":"test-services","private":true}' >"$TOOLS/npm/package.json"
  timeout 300 npm install --prefix "$TOOLS/npm" --no-audit --no-fund --loglevel=error "$1@$2" >"$LOG/npm.log" 2>&1 9>&- || {
    tail -n 8 "$LOG/npm.log" >&2
    cannot "$1@$2 (for $CURRENT)" "npm failed, see above and $LOG/npm.log; does \`npm view $1\` work here?"
  }
  : >"$TOOLS/npm/$1@$2"
}

# python_package NAME VERSION -> TOOLS/python/bin. With the system's Python: one in a home folder
# would not be readable to the service account.
python_package() {
  if [ -f "$TOOLS/python/$1@$2" ]; then return 0; fi
  say "installing $1==$2 by pip"
  # shellcheck disable=SC2016 # expanded by the inner shell
  timeout 400 bash -ec '[ -x "$1/bin/pip" ] || /usr/bin/python3 -m venv "$1"; "$1/bin/pip" -q install "$2"' \
    _ "$TOOLS/python" "$1==$2" >"$LOG/pip.log" 2>&1 9>&- || {
    tail -n 8 "$LOG/pip.log" >&2
    cannot "$1==$2 (for $CURRENT)" "pip failed, see above and $LOG/pip.log; does \`pip download $1\` work here?"
  }
  : >"$TOOLS/python/$1@$2"
}
