#!/bin/sh
# The main job on the cluster: joins at its first start, then surveys the folders that are given.
set -eu
# The folder of its key is a volume that clients at the same time share: one of them joins.
flock /config sh -euc '[ -e /config/manager.broker ] || promp join /tokens/manager/token'
exec promp -r /usr/share/promp/survey/survey.py "$@"
