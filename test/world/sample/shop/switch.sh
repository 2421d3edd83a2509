#!/bin/sh
# switch.sh <place> <release>: points "current" at a release, so that no reader
# ever finds it missing.
set -eu
ln -sfn "$2" "$1/current.new"
mv -T "$1/current.new" "$1/current" 2> /dev/null || mv -fh "$1/current.new" "$1/current" # GNU, else BSD
