#!/bin/sh
# Makes, at the first start, the broker's key and its store, and tokens for nodes and for the client; later it does nothing.
set -eu
[ -e /config/broker.cert_secret ] || promp-auth init --address "${PROMP_ADDRESS:-tcp://broker:5599}"
token() {
    [ ! -e "/tokens/$1/token" ] || return 0
    umask 077
    promp-auth token "$@" >"/tokens/$1/new"
    mv "/tokens/$1/new" "/tokens/$1/token"
}
token node --uses 1000 --expires never
token manager --uses 100 --expires never
