#!/bin/sh
# Brings back what was current before deploy.sh.
set -eu
place=$SITE/$SHIPMATE_ENV
before=${SHIPMATE_OUTPUT_RELEASE_PREVIOUS:-}
if [ -n "$before" ]; then
	sh ./switch.sh "$place" "$before"
else
	rm -f "$place/current"
fi
echo "$SHIPMATE_ENV: back to ${before:-nothing}"
