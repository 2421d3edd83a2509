# The bot with what it calls: git, for checkouts, and a shell, for scripts that
# run beside it. Not root; nothing is written but to /data and /tmp.
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
# The same sources give the same bytes: no paths, no time, no build id.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=${VERSION}" -o /shipmate ./cmd/shipmate

FROM debian:12.12-slim
# tini reaps what scripts leave behind. Packages are those of the day; rebuild
# for their security updates.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git tini tzdata \
 && rm -rf /var/lib/apt/lists/* /var/log/* \
 && groupadd --gid 65532 shipmate \
 && useradd --uid 65532 --gid 65532 --home-dir /data --shell /usr/sbin/nologin shipmate \
 && install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /shipmate /usr/local/bin/shipmate
ENV HOME=/data SHIPMATE_DATA_DIR=/data
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["tini", "--", "shipmate"]
CMD ["serve"]
