#!/bin/sh
# Checks every product. What is wrong is also the step's summary.
set -eu
sleep "${PAUSE:-0}"
line=0
wrong=0

complain() {
	wrong=$((wrong + 1))
	echo "products.txt:$line: $1" | tee -a "${SHIPMATE_SUMMARY:-/dev/null}"
}

while IFS='|' read -r id name price former text; do
	line=$((line + 1))
	if [ -z "$id" ] || [ -z "$name" ] || [ -z "$text" ]; then
		complain "a product needs an id, a name and a text"
		continue
	fi
	case $price in
	"" | *[!0-9.]* | *.*.*) complain "$name: the price \"$price\" is not a number" ;;
	*[1-9]*) echo "ok   $name costs $price" ;;
	*) complain "$name: the price is $price, and must be more than 0" ;;
	esac
done < products.txt

if [ "$wrong" -gt 0 ]; then
	echo "FAIL $wrong of $line products are wrong"
	exit 1
fi
echo "PASS $line products"
