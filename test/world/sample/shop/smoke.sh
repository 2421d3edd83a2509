#!/bin/sh
# Reads the page that is deployed now, as a customer would.
set -eu
page=$SITE/$SHIPMATE_ENV/current/index.html
sleep "${PAUSE:-0}"

fail() {
	echo "FAIL $1" | tee -a "${SHIPMATE_SUMMARY:-/dev/null}"
	exit 1
}

[ -s "$page" ] || fail "there is no page"
html=$(cat "$page")
case $html in
*"<code>$SHIPMATE_SHORT_SHA</code>"*) echo "ok   the page is of commit $SHIPMATE_SHORT_SHA" ;;
*) fail "the page is not of commit $SHIPMATE_SHORT_SHA" ;;
esac
case $html in
*'>$0.00'* | *'>$<'*) fail "the page gives something away for nothing" ;;
*) echo "ok   everything has a price" ;;
esac
