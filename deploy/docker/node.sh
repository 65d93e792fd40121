#!/bin/sh
# A node: joins at its first start, and serves.
set -eu
set -- --config /config "$@"
[ -e /config/node.broker ] || set -- --join /tokens/node/token "$@"
exec promp-node "$@"
