#!/bin/sh
# Brings the build of this commit to an environment: a folder per release, and
# "current", a link that is switched in one go. Puts out what was current before.
set -eu
place=$SITE/$SHIPMATE_ENV
release=releases/$SHIPMATE_SHORT_SHA
before=$(readlink "$place/current" || true)
sleep "${PAUSE:-0}"

mkdir -p "$place/releases"
if [ ! -d "$place/$release" ]; then
	cp -R "$SITE/builds/$SHIPMATE_SHORT_SHA" "$place/$release.new"
	mv "$place/$release.new" "$place/$release"
fi
echo "previous=$before" >> "$SHIPMATE_OUTPUT"
sh ./switch.sh "$place" "$release"
echo "$SHIPMATE_ENV: ${before:-nothing} -> $release"
