# shellcheck shell=bash
# Apache Qpid Proton's example broker: a second AMQP 1.0 engine. Queues in memory, made on first
# use; no account is asked for, a released message is not offered again.

PROTON_BROKER=/usr/share/proton/examples/python/broker.py

proton_needs() {
  needs /usr/lib/python3/dist-packages/proton python3-qpid-proton
  needs $PROTON_BROKER libqpid-proton11-dev-examples
}
proton_start() { spawn proton "${AS_SERVICE[@]}" /usr/bin/python3 $PROTON_BROKER -a "127.0.0.1:$(port proton)"; }

# It answers the header of AMQP 1.0 with its own.
proton_healthy() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; printf "AMQP\0\1\0\0" >&3; head -c 8 <&3 | grep -q AMQP' _ "$(port proton)" 2>/dev/null
}

proton_env() { echo "export AMQP10_PROTON_URL=amqp://127.0.0.1:$(port proton)"; }
