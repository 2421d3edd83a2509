# The bot with the one program it calls, git, and nothing else: no shell, no
# package manager, not root; nothing is written but to /data and /tmp. Scripts
# ("run:") run as Jobs then. For a bot that runs them beside itself, with a shell:
#   docker build --target with-shell .
#
# The images are pinned by version. To pin their digests too, where a registry
# can be reached:  docker buildx imagetools inspect golang:1.26.8-bookworm
# and write  FROM golang:1.26.8-bookworm@sha256:...
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
ARG VERSION=dev
# The same sources give the same bytes: no paths, no time, no build id. The tag:
# see the Makefile.
RUN CGO_ENABLED=0 go build -tags kustomize_disable_go_plugin_support -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=${VERSION}" -o /shipmate ./cmd/shipmate

# What the bot is made of, as CycloneDX:  docker build --target sbom -o . .
FROM build AS list
RUN go run ./test/tools/sbom /shipmate > /shipmate.cdx.json
FROM scratch AS sbom
COPY --from=list /shipmate.cdx.json /

# tini reaps what a git that was killed leaves behind. Packages are those of the
# day; rebuild for their security updates.
FROM debian:12.12-slim AS debian
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git tini \
 && rm -rf /var/lib/apt/lists/* /var/log/*

FROM debian AS rootfs
COPY packaging/rootfs.sh /
RUN /rootfs.sh /rootfs /usr/bin/tini-static

FROM debian AS with-shell
RUN groupadd --gid 65532 shipmate \
 && useradd --uid 65532 --gid 65532 --home-dir /data --shell /usr/sbin/nologin shipmate \
 && install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /shipmate /usr/local/bin/shipmate
ENV HOME=/data SHIPMATE_DATA_DIR=/data
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/tini-static", "--", "/usr/local/bin/shipmate"]
CMD ["serve"]

FROM scratch
COPY --from=rootfs /rootfs /
COPY --from=build /shipmate /usr/local/bin/shipmate
ENV HOME=/data SHIPMATE_DATA_DIR=/data PATH=/usr/local/bin:/usr/bin
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/tini-static", "--", "/usr/local/bin/shipmate"]
CMD ["serve"]
