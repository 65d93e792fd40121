#!/bin/sh
# A node: joins at its first start, and serves.
set -eu
[ -e /config/node.broker ] || set -- --join /tokens/node/token "$@"
exec promp-node "$@"
