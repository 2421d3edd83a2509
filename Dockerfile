# The bot as one static file: no shell, not root, nothing else in the image.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /shipmate ./cmd/shipmate

# Scripts of "run:" steps need a shell and git, which this image does not have:
# give them an image of their own built on this one, or another runner.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /shipmate /shipmate
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/shipmate"]
CMD ["serve"]
