#!/bin/sh
# The main job on the cluster: joins at its first start, then surveys the folders that are given.
set -eu
[ -e /config/manager.broker ] || promp join --config /config /tokens/manager
exec promp -r /usr/share/promp/survey/survey.py "$@"
