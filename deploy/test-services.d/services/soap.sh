# shellcheck shell=bash
# Web services of two makers: spyne (Python, validates by XSD) and the npm package `soap` (with
# WS-Security). soap.py and soap.js add what is kept of a call, and what is refused on demand. Beside
# them the client zeep, for tests of what we serve.

soap_needs() {
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || lacks python3-venv
  needs node nodejs
  needs npm npm
}

soap_install() {
  python_package spyne 2.14.0
  python_package lxml 6.0.2
  python_package zeep 4.3.3
  node_package soap 1.13.0
}

soap_companions() { echo soap-npm; }

soap_start() {
  local node=/usr/bin/node
  [ -x $node ] || node=$(command -v node)
  spawn soap "${AS_SERVICE[@]}" "$TOOLS/python/bin/python" "$TOOLS/soap.py" "$(port soap)"
  spawn soap-npm "${AS_SERVICE[@]}" "NODE_PATH=$TOOLS/npm/node_modules" "PORT=$(port soap_npm)" \
    "LOGIN=$LOGIN" "PASSWORD=$PASSWORD" "$node" "$TOOLS/soap.js"
}

soap_healthy() {
  curl -sf -m 3 -o /dev/null "http://127.0.0.1:$(port soap)/health" &&
    curl -sf -m 3 -o /dev/null "http://127.0.0.1:$(port soap_npm)/health"
}

soap_env() {
  cat <<ENV
export SOAP_SPYNE_URL=http://127.0.0.1:$(port soap) SOAP_NPM_URL=http://127.0.0.1:$(port soap_npm)
export SOAP_USER=$LOGIN SOAP_PASSWORD=$PASSWORD SOAP_PYTHON=$TOOLS/python/bin/python
ENV
}
