# shellcheck shell=bash
# mock-sap: IDocs over HTTP, RFC as SOAP and JSON, OData V2 and V4, with CSRF tokens, OAuth tokens and
# faults on demand. Independent of us, but not SAP's software. Keeps its data over a crash, and
# forgets its tokens.

mock_sap_needs() { /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || lacks python3-venv; }
mock_sap_install() { python_package mock-sap 0.22.0; }

mock_sap_start() {
  spawn mock-sap "${AS_SERVICE[@]}" "$TOOLS/python/bin/mock-sap" --port "$(port sap)" -q \
    --db "$(data_folder mock-sap)/sap.db" --auth "$LOGIN:$PASSWORD" --oauth "$LOGIN:$PASSWORD"
}

mock_sap_healthy() { curl -sf -m 3 -o /dev/null "http://127.0.0.1:$(port sap)/_mock/health"; }
mock_sap_env() { echo "export SAP_URL=http://$LOGIN:$PASSWORD@127.0.0.1:$(port sap)"; }
