#!/bin/sh
# Puts public/index.html together from its parts. With SITE the page is kept
# there too, under its commit, so that what is deployed is built once.
set -eu
version=$(cat VERSION)
commit=${SHIPMATE_SHORT_SHA:-unknown}
sleep "${PAUSE:-0}"

mkdir -p public
{
	cat parts/head.html
	echo "<style>"
	cat parts/style.css
	echo "</style>"
	echo "<header><h1>The Harbour Shop</h1><span>ropes, mugs and weather</span></header>"
	if [ -f parts/banner.html ]; then cat parts/banner.html; fi
	echo "<ul>"
	while IFS='|' read -r id name price former text; do
		class=plain
		was=""
		if [ -n "$former" ]; then
			class=sale
			was=" <del>\$$former</del>"
		fi
		echo "<li id=\"$id\" class=\"$class\"><b>$name</b><span class=\"price\">\$$price$was</span><p>$text</p></li>"
	done < products.txt
	echo "</ul>"
	echo "<footer>Version $version, commit <code>$commit</code></footer>"
	cat parts/foot.html
} > public/index.html

echo "built version $version of commit $commit: $(wc -c < public/index.html | tr -d ' ') bytes, $(wc -l < products.txt | tr -d ' ') products"

if [ -n "${SITE:-}" ]; then
	mkdir -p "$SITE/builds/$commit"
	cp public/index.html "$SITE/builds/$commit/"
	echo "kept as builds/$commit"
fi
